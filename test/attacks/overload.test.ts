import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { httpLimits } from '../../packages/server/src/edges/http/http-limits.ts'
import { egressLimits } from '../../packages/server/src/engines/egress/egress-limits.ts'
import { callLimits } from '../../packages/server/src/flows/broker/call-room.ts'
import { type ServerProcess, startServerProcess, withPeople } from '../server-process.ts'

const megabyte = 1_000_000

interface Heard {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly code: string | undefined
  readonly ms: number
}

/** More than there is room for: whoever comes too much is told so, and nobody else pays for it. */
describe('a server with too much to do', () => {
  let server: ServerProcess
  let slow: Awaited<ReturnType<typeof withPeople>>
  let fast: Awaited<ReturnType<typeof withPeople>>
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const open = new Set<ClientRequest>()

  beforeAll(async () => {
    server = await startServerProcess({ database: 'sqlite' })
    slow = await withPeople(server, ['alice', 'bob'])
    fast = await withPeople(server, ['alice'])
    await fastMedian()
  })
  afterEach(() => {
    for (const one of open) one.destroy()
    open.clear()
  })
  afterAll(async () => {
    agent.destroy()
    await server?.close()
  })

  it('serves one provider as fast as before while hundreds of calls wait for another, in bounded memory', async () => {
    const before = await fastMedian()
    const [alice] = slow.people
    const memory = resident()
    const hold = slow.provider.hold('api', 'before')
    const calls = Array.from({ length: 700 }, () => call(alice!))
    await until(() => hold.waiting.length === egressLimits.callsPerConnectionAndOrigin)
    const during = await fastMedian()
    expect(during / before).toBeLessThan(3)
    expect(resident() - memory).toBeLessThan(64 * megabyte)
    // What waits is not lost: it goes on as soon as there is room.
    hold.release()
    const heard = await Promise.all(calls)
    expect(heard.map(one => one.status)).toEqual(Array(700).fill(200))
  })

  it('refuses at once what would wait in too long a line, with a time to come back; another person gets through', async () => {
    const [alice, bob] = slow.people
    const hold = slow.provider.hold('api', 'before')
    const room = egressLimits.callsPerConnectionAndOrigin + egressLimits.waitingPerConnectionAndOrigin
    const heard: Heard[] = []
    for (let i = 0; i < room + 100; i++)
      void call(alice!).then(
        one => heard.push(one),
        () => {},
      )
    await until(() => heard.length === 100)
    expect(new Set(heard.map(({ status, code, retryAfter }) => `${status} ${code} ${retryAfter}`))).toEqual(
      new Set(['503 unavailable 2']),
    )
    expect(median(heard.map(one => one.ms))).toBeLessThan(2_000)
    // Bob's call to the very same origin stands in no line.
    const ofBob = hold.waiting.length + 1
    const his = call(bob!)
    await until(() => hold.waiting.length === ofBob)
    // Whoever goes away leaves the line: nothing of theirs is sent any more.
    for (const one of [...open].slice(0, -1)) one.destroy()
    hold.release()
    expect((await his).status).toBe(200)
    expect(hold.waiting.length).toBe(ofBob)
  })

  it('holds so many bytes of one agent’s bodies and no more', async () => {
    const [alice] = slow.people
    const hold = slow.provider.hold('api', 'before')
    const body = JSON.stringify({ text: 'x'.repeat(1_000_000) })
    const fits = Math.floor(callLimits.bodyBytesPerAgent / body.length)
    const heard: Heard[] = []
    for (let i = 0; i < fits + 8; i++)
      void call(alice!, '/api/echo', body).then(
        one => heard.push(one),
        () => {},
      )
    await until(() => heard.length >= 8 && hold.waiting.length >= fits - 4)
    for (const { status, code, retryAfter } of heard)
      expect([status, code, retryAfter]).toEqual([503, 'unavailable', '1'])
    hold.release()
    await until(() => heard.length === fits + 8)
    expect(heard.filter(one => one.status === 200).length).toBeGreaterThan(fits - 8)
    // They were given back.
    expect((await call(alice!, '/api/echo', body)).status).toBe(200)
  })

  it('lets one connection have so many requests at once: pipelining is no way around (row 98)', async () => {
    const [alice] = slow.people
    const hold = slow.provider.hold('api', 'before')
    const one = (more: string) =>
      `GET /proxy/${alice!.connection}/api/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${alice!.token}\r\n${more}\r\n`
    const most = httpLimits.requestsPerConnection
    const answers = raw(one('').repeat(most + 4) + one('Connection: close\r\n'))
    await until(() => hold.waiting.length === most)
    hold.release()
    const statuses = [...(await answers).matchAll(/HTTP\/1\.1 (\d+) /g)].map(found => found[1])
    expect(statuses).toEqual([...Array(most).fill('200'), ...Array(5).fill('503')])
  })

  it.each([
    ['more headers than are looked at', `${'x: 1\r\n'.repeat(httpLimits.headers)}`],
    ['headers larger than are taken', `x: ${'x'.repeat(httpLimits.headerBytes)}\r\n`],
  ])('answers %s with a problem, and ends the connection', async (_what, headers) => {
    for (const path of ['/healthz', '/proxy/slack/api/x', '/oauth/token']) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 413 /)
      expect(answer.toLowerCase()).toContain('connection: close')
      expect(answer).toContain('"code":"payload_too_large"')
    }
  })

  it('keeps 10,000 idle agents for less than 20 KiB each', async context => {
    const most = Math.min(openFilesLimit(server.pid), openFilesLimit(process.pid)) - 500
    const count = Math.min(10_000, most)
    if (count < 1_000) context.skip(`this machine allows ${most} open files`)
    const [person] = fast.people
    const port = new URL(server.url).port
    const file = fileURLToPath(new URL('../idle-connections.ts', import.meta.url))
    const hold = (number: number) => {
      const args = [file, port, String(number), `/proxy/${person!.connection}/api/me`, person!.token]
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      const opened = new Promise<number>(resolve => child.stdout.once('data', text => resolve(Number(text))))
      const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
      const end = () => {
        child.stdin.end()
        return ended
      }
      return { opened, end }
    }
    // What a busy minute leaves in any process is not the price of a connection.
    const warm = hold(2_000)
    await warm.opened
    await warm.end()
    // As long as the server takes to see that it is idle, and to give back what the work before left behind.
    const before = await leastResident(17_000)
    const idle = hold(count)
    expect(await idle.opened).toBe(count)
    const each = ((await leastResident(17_000)) - before) / count
    console.info(`${count} idle connections: ${(each / 1024).toFixed(1)} KiB each`)
    expect(each).toBeLessThan(20 * 1024)
    expect((await call(person!)).status).toBe(200)
    await idle.end()
  })

  function call(
    who: { readonly connection: string; readonly token: string },
    path = '/api/me',
    body?: string,
  ): Promise<Heard> {
    const startedAt = performance.now()
    return new Promise((resolve, reject) => {
      const sent = request(`${server.url}/proxy/${who.connection}${path}`, {
        agent,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${who.token}`,
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
        },
      })
      open.add(sent)
      sent.once('close', () => open.delete(sent))
      sent.once('error', reject)
      sent.once('response', (answer: IncomingMessage) => {
        answer.resume().once('end', () =>
          resolve({
            status: answer.statusCode!,
            retryAfter: answer.headers['retry-after'],
            code: answer.headers['valetkey-error'] as string | undefined,
            ms: performance.now() - startedAt,
          }),
        )
      })
      sent.end(body)
    })
  }

  /** The median time of calls to the provider that is well, one after the other. */
  async function fastMedian(): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < 150; i++) {
      const { status, ms } = await call(fast.people[0]!)
      expect(status).toBe(200)
      times.push(ms)
    }
    return median(times)
  }

  /** Sends bytes on a connection of its own and gives all that came back until its end. */
  async function raw(bytes: string): Promise<string> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(bytes)
    let heard = ''
    for await (const chunk of socket) heard += chunk
    return heard
  }

  const resident = () =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) * 1024

  /** The least of its memory within a time. */
  async function leastResident(ms: number): Promise<number> {
    let least = resident()
    for (const until = performance.now() + ms; performance.now() < until; await pause(250))
      least = Math.min(least, resident())
    return least
  }
})

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it did not come to that in time')
    await pause(10)
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function openFilesLimit(pid: number): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))![1])
}
