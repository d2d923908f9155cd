import { connect, type Socket } from 'node:net'
import type { Order, Seen } from './order.ts'

/**
 * The load generator, a process of its own. It writes requests that were made once and reads no more of an answer than
 * where it ends, so that one core of it drives more than any target here can take.
 */

process.on('message', (order: Order) => {
  generate(order).then(
    seen => process.send!(seen),
    (error: unknown) =>
      process.send!({ requests: 0, errors: 1, bytes: 0, elapsedMs: 1, p50Ms: 0, p99Ms: 0, complaint: String(error) }),
  )
})

async function generate(order: Order): Promise<Seen> {
  const url = new URL(order.url)
  const request = requestOf(order, url)
  const latencies: number[] = []
  let requests = 0
  let errors = 0
  let bytes = 0
  let complaint: string | undefined
  let isOver = false
  let wake = () => {}
  let asked = 0
  let drained = () => {}
  const lines = await Promise.all(Array.from({ length: order.connections }, () => open(url)))
  const startedAt = performance.now()
  let lastAt = startedAt

  const ask = (line: Line, from = performance.now()) => {
    asked++
    line.ask(request, (status, size, head) => {
      lastAt = performance.now()
      requests++
      bytes += size
      latencies.push(lastAt - from)
      if (status !== 200) {
        errors++
        complaint ??= head.slice(0, 300)
      }
      asked--
      if (status === 0) isOver = true
      if (order.requests !== undefined && requests >= order.requests) isOver = true
      if (!isOver) next(line)
      else {
        wake()
        if (asked === 0) drained()
      }
    })
  }
  const idle: Line[] = []
  const due: number[] = []
  const next = (line: Line) => {
    if (order.perSecond === undefined) ask(line)
    else if (due.length > 0) ask(line, due.shift()!)
    else idle.push(line)
  }
  for (const line of lines) next(line)
  const pacer =
    order.perSecond === undefined
      ? undefined
      : pace(order.perSecond, () => {
          const line = idle.pop()
          if (line === undefined) due.push(performance.now())
          else ask(line)
        })
  await new Promise<void>(resolve => {
    wake = resolve
    setTimeout(resolve, order.forMs)
  })
  isOver = true
  pacer?.()
  // What was asked is answered, and counted: a target must not be left with calls that nobody waits for.
  if (asked > 0) {
    await new Promise<void>(resolve => {
      drained = resolve
      setTimeout(resolve, 2_000)
    })
  }
  const endedAt = lastAt
  for (const line of lines) line.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  return {
    requests,
    errors,
    bytes,
    elapsedMs: endedAt - startedAt,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    ...(complaint !== undefined && { complaint }),
  }
}

/** Calls `go` evenly, as many times a second; the timer is coarse, so a tick makes up for what is due. */
function pace(perSecond: number, go: () => void): () => void {
  const startedAt = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const wanted = ((performance.now() - startedAt) * perSecond) / 1000
    for (; sent < wanted; sent++) go()
  }, 1)
  return () => clearInterval(timer)
}

function requestOf(order: Order, url: URL): Buffer {
  const body = order.bodyBytes === 0 ? '' : JSON.stringify({ text: 'x'.repeat(order.bodyBytes - '{"text":""}'.length) })
  const lines = [
    `${order.method} ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'User-Agent: valetkey-bench',
    'Accept: application/json',
    ...Object.entries(order.headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === '' ? [] : [`Content-Length: ${body.length}`]),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

type Answered = (status: number, bytes: number, head: string) => void

/** One kept-alive connection with one request on it at a time. */
interface Line {
  ask(request: Buffer, answered: Answered): void
  close(): void
}

async function open(url: URL): Promise<Line> {
  const socket: Socket = connect(Number(url.port), url.hostname)
  socket.setNoDelay(true)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let answered: Answered | undefined
  let head: Buffer | undefined
  let headText = ''
  /** Bytes of the body that are still to come; -1: chunked, ends with the last chunk. */
  let left = 0
  let size = 0
  let tail = ''
  const done = (status: number) => {
    const told = answered
    answered = undefined
    head = undefined
    told?.(status, size, headText)
  }
  const broken = () => done(0)
  socket.on('error', broken).on('close', broken)
  socket.on('data', (data: Buffer) => {
    if (answered === undefined) return
    let rest = data
    if (head === undefined || headText === '') {
      head = head === undefined ? data : Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      headText = head.toString('latin1', 0, end)
      rest = head.subarray(end + 4)
      size = 0
      tail = ''
      const length = /\r\ncontent-length: *(\d+)/i.exec(headText)
      left = length === null ? -1 : Number(length[1])
    }
    size += rest.length
    if (left >= 0) {
      left -= rest.length
      if (left > 0) return
    } else {
      tail = (tail + rest.toString('latin1', Math.max(0, rest.length - 7))).slice(-7)
      if (!tail.endsWith('0\r\n\r\n')) return
    }
    done(Number(headText.slice(9, 12)))
  })
  return {
    ask(request, told) {
      answered = told
      head = undefined
      headText = ''
      socket.write(request)
    },
    close() {
      answered = undefined
      socket.destroy()
    },
  }
}
