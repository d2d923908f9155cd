import { createServer as createHttp, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { TenantId } from '../../core/ids.ts'
import { parseAllowList } from './allow-list.ts'
import type { Egress, EgressFailure, StreamControl, StreamRequest } from './egress.ts'
import { type EgressOptions, openEgress } from './open-egress.ts'

const tenant = 'ten_00000000000000000000000000' as TenantId
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function listening(server: Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise(resolve => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const httpServer = (listener: RequestListener) => listening(createHttp(listener))
/** A server that speaks what it is told, byte by byte; `request` is all that has arrived so far. */
const rawServer = (onData: (socket: Socket, request: string) => void) =>
  listening(
    createTcp(socket => {
      let all = ''
      socket.on('data', chunk => {
        all += chunk.toString('latin1')
        onData(socket, all)
      })
    }),
  )

function door(options: Partial<EgressOptions> = {}): Egress {
  const egress = openEgress({
    allow: parseAllowList('127.0.0.1').rules,
    tenantOf: () => ({ isFirst: true }),
    ...options,
  })
  closers.push(() => egress.close())
  return egress
}

interface Seen {
  status: number
  headers: readonly string[]
  body: Buffer
  trailers: readonly string[]
  control: StreamControl
}

function streamed(egress: Egress, request: Partial<StreamRequest> & { origin: string }): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const seen = { status: 0, headers: [] as readonly string[], chunks: [] as Buffer[] }
    const control = egress.stream(
      tenant,
      { method: 'GET', path: '/', headers: [], ...request },
      {
        onHead: (status, headers) => Object.assign(seen, { status, headers }),
        onData: chunk => seen.chunks.push(chunk) > 0,
        onEnd: trailers => resolve({ ...seen, body: Buffer.concat(seen.chunks), trailers, control }),
        onFailure: reject,
      },
    )
  })
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: EgressFailure) => error,
  )

const small = { method: 'GET', headers: {}, timeoutMs: 5_000, maxBytes: 1_000 }

describe('an exchange', () => {
  it('returns status, joined headers and body, asking for no encoding', async () => {
    const url = await httpServer((request, response) => {
      response.setHeader('x-two', ['a', 'b'])
      response.statusCode = 201
      request.pipe(response.setHeader('x-encoding', request.headers['accept-encoding'] ?? 'none'))
    })
    const answer = await door().exchange(tenant, { ...small, method: 'POST', url: `${url}/token?x=1`, body: 'a=ü' })
    expect(answer.status).toBe(201)
    expect(answer.headers['x-two']).toBe('a, b')
    expect(answer.headers['x-encoding']).toBe('identity')
    expect(answer.body.toString()).toBe('a=ü')
  })

  it('does not follow a redirect (row 21, row 23)', async () => {
    let reached = 0
    const sink = await httpServer((_request, response) => {
      reached++
      response.end()
    })
    const url = await httpServer((_request, response) => response.writeHead(302, { location: sink }).end())
    const answer = await door().exchange(tenant, { ...small, url: `${url}/`, headers: { authorization: 'Bearer x' } })
    expect(answer).toMatchObject({ status: 302, headers: { location: sink } })
    expect(reached).toBe(0)
  })

  it('ends at the cap of an endless answer and cuts the connection (row 21)', async () => {
    let served = 0
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    const url = await httpServer((_request, response) => {
      const more = () => {
        do served += 65_536
        while (response.write(Buffer.alloc(65_536)))
      }
      response.on('drain', more).on('close', resolve)
      more()
    })
    const failure = await failureOf(door().exchange(tenant, { ...small, url, maxBytes: 100_000 }))
    expect(failure).toMatchObject({ kind: 'too_large', sent: true })
    await closed
    expect(served).toBeLessThan(50_000_000)
  })

  it('refuses by the announced length before the first byte of a 1 GB body (row 21)', async () => {
    const url = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-length': '1000000000' }).flushHeaders(),
    )
    expect(await failureOf(door().exchange(tenant, { ...small, url }))).toMatchObject({ kind: 'too_large' })
  })

  it('refuses a compressed answer unopened (row 21)', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000))
    const url = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    )
    const failure = await failureOf(door().exchange(tenant, { ...small, url, maxBytes: 10_000_000 }))
    expect(failure).toMatchObject({ kind: 'malformed' })
  })

  it('is over when its time is, also against an answer that trickles (row 21)', async () => {
    const silent = await rawServer(() => {})
    expect(await failureOf(door().exchange(tenant, { ...small, url: silent, timeoutMs: 60 }))).toMatchObject({
      kind: 'timeout',
      sent: true,
    })
    const trickling = await rawServer(socket => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
      const timer = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(timer))
    })
    expect(await failureOf(door().exchange(tenant, { ...small, url: trickling, timeoutMs: 80 }))).toMatchObject({
      kind: 'timeout',
    })
  })

  it('runs beforeSend on an open connection and sends nothing when it throws (P5)', async () => {
    const order: string[] = []
    let received = 0
    const url = await listening(
      createTcp(socket => {
        order.push('connected')
        socket.on('data', chunk => {
          received += chunk.length
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        })
      }),
    )
    const lost = new Error('the lease is too old')
    const egress = door()
    const refusing = egress.exchange(tenant, {
      ...small,
      method: 'POST',
      body: 'refresh_token=x',
      url,
      beforeSend: () => {
        throw lost
      },
    })
    await expect(refusing).rejects.toBe(lost)
    expect(received).toBe(0)
    await egress.exchange(tenant, { ...small, url, beforeSend: () => order.push('beforeSend') })
    expect(order.slice(-2)).toEqual(['connected', 'beforeSend'])
    expect(received).toBeGreaterThan(0)
  })

  it('says that nothing was sent when nobody listens', async () => {
    const server = createTcp()
    const url = await listening(server)
    await closers.pop()!()
    expect(await failureOf(door().exchange(tenant, { ...small, url }))).toMatchObject({
      kind: 'unreachable',
      sent: false,
    })
  })
})

describe('a stream', () => {
  it('passes status, headers with their repetitions, body and trailers, without 1xx', async () => {
    const origin = await rawServer(socket =>
      socket.end(
        'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 206 Partial\r\nX-A: 1\r\nX-A: \xe9\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n',
        'latin1',
      ),
    )
    const seen = await streamed(door(), { origin })
    expect(seen.status).toBe(206)
    expect(seen.headers).toEqual(['X-A', '1', 'X-A', '\xe9', 'transfer-encoding', 'chunked'])
    expect(seen.body.toString()).toBe('hello')
    expect(seen.trailers).toEqual(['X-Sum', '9'])
  })

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n', 200],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    ['GET', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 12\r\n\r\n', 304],
  ])('%s with %j ends without a body', async (method, answer, status) => {
    const origin = await rawServer(socket => socket.write(answer))
    const seen = await streamed(door(), { origin, method })
    expect(seen.status).toBe(status)
    expect(seen.body).toHaveLength(0)
  })

  it('sends method, path and query byte for byte, our Host, and exactly the given headers (row 22)', async () => {
    let head = ''
    const origin = await rawServer((socket, request) => {
      head = request
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
    await streamed(door(), { origin, path: '/a%2Fb//c;d?q=%7e+|{}\'"&q=2', headers: ['X-One', 'a', 'x-one', 'b'] })
    expect(head).toBe(
      `GET /a%2Fb//c;d?q=%7e+|{}'"&q=2 HTTP/1.1\r\nhost: ${new URL(origin).host}\r\nconnection: keep-alive\r\nX-One: a\r\nx-one: b\r\n\r\n`,
    )
  })

  it.each([
    ['an absolute path', { path: 'https://evil.example/' }],
    ['a path without its slash', { path: '@evil.example/' }],
    ['a line break in the path', { path: '/a\r\nX: y' }],
    ['a space in the path', { path: '/a HTTP/1.1' }],
    ['a fragment', { path: '/a#b' }],
    ['raw bytes in the path', { path: '/\xe9' }],
    ['a line break in a header', { headers: ['x-a', 'b\r\nx: y'] }],
    ['a space in a header name', { headers: ['x a', 'b'] }],
    ['a Host of its own', { headers: ['Host', 'evil.example'] }],
    ['a transfer encoding', { headers: ['Transfer-Encoding', 'chunked'] }],
    ['a second length', { headers: ['content-length', '1', 'Content-Length', '2'] }],
    ['CONNECT', { method: 'CONNECT' }],
    ['a method with a line break', { method: 'GET /\r\n' }],
  ])('refuses %s, nothing sent (row 22, row 98)', async (_, fault) => {
    let reached = 0
    const origin = await rawServer(() => reached++)
    expect(await failureOf(streamed(door(), { origin, ...fault }))).toMatchObject({ kind: 'malformed', sent: false })
    expect(reached).toBe(0)
  })

  it.each(['http://127.0.0.1:1/path', 'http://u@127.0.0.1:1', 'http://127.0.0.1:1?q', 'javascript:1'])(
    'takes no origin like %s',
    async origin => {
      expect(await failureOf(streamed(door(), { origin }))).toMatchObject({ kind: 'not_allowed', sent: false })
    },
  )

  it.each([
    ['both lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two different lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n'],
  ])('an answer with %s is malformed (row 98)', async (_, answer) => {
    const origin = await rawServer(socket => socket.write(answer))
    expect(await failureOf(streamed(door(), { origin }))).toMatchObject({ kind: 'malformed', sent: true })
  })

  it('takes answer headers up to 64 KiB and no more (row 98)', async () => {
    const padded = (bytes: number) => `HTTP/1.1 200 OK\r\nx-pad: ${'a'.repeat(bytes)}\r\ncontent-length: 0\r\n\r\n`
    const fits = await rawServer(socket => socket.write(padded(60_000)))
    expect((await streamed(door(), { origin: fits })).status).toBe(200)
    const over = await rawServer(socket => socket.write(padded(70_000)))
    expect(await failureOf(streamed(door(), { origin: over }))).toMatchObject({ kind: 'too_large' })
  })

  it('an answer cut in the middle is a failure, so that the edge can reset its client', async () => {
    for (const head of ['content-length: 10\r\n\r\nhalf', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
      const origin = await rawServer(socket => socket.end(`HTTP/1.1 200 OK\r\n${head}`))
      expect(await failureOf(streamed(door(), { origin }))).toMatchObject({ kind: 'cut', sent: true })
    }
    const silent = await rawServer(socket => socket.destroy())
    expect(await failureOf(streamed(door(), { origin: silent }))).toMatchObject({ kind: 'cut', sent: true })
  })

  it('gives up on headers and on silence inside a body after the configured time (row 21)', async () => {
    const silent = await rawServer(() => {})
    const trickling = await rawServer(socket => {
      const timer = setInterval(() => socket.write('H'), 20)
      socket.write('HTTP/1.1 200 OK\r\nx-a: ')
      socket.on('close', () => clearInterval(timer))
    })
    const stalled = await rawServer(socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'))
    const egress = door({ headersTimeoutMs: 120, bodyTimeoutMs: 120 })
    for (const origin of [silent, trickling, stalled]) {
      expect(await failureOf(streamed(egress, { origin }))).toMatchObject({ kind: 'timeout', sent: true })
    }
  })

  it('gives up on a connection that does not open in time, nothing sent', async () => {
    const { Socket: RealSocket } = await import('node:net')
    const egress = door({ connectTimeoutMs: 50, dial: () => new RealSocket() })
    expect(await failureOf(streamed(egress, { origin: 'http://127.0.0.1:9' }))).toMatchObject({
      kind: 'timeout',
      sent: false,
    })
  })

  it('waits while the reader is slow, and memory does not grow', async () => {
    let served = 0
    const origin = await httpServer((_request, response) => {
      const more = () => {
        do served += 65_536
        while (response.write(Buffer.alloc(65_536)) && served < 500_000_000)
      }
      response.on('drain', more)
      more()
    })
    const { promise: paused, resolve: onPause } = Promise.withResolvers<void>()
    const { promise: resumed, resolve: onResume } = Promise.withResolvers<void>()
    let received = 0
    let mayFlow = false
    const control = door().stream(
      tenant,
      { method: 'GET', origin, path: '/', headers: [] },
      {
        onHead: () => {},
        onData: chunk => {
          received += chunk.length
          if (mayFlow) {
            if (received > 20_000_000) onResume()
            return true
          }
          onPause()
          return false
        },
        onEnd: () => {},
        onFailure: () => {},
      },
    )
    await paused
    // Whatever the kernel and Node buffer is full once the server has stopped making progress.
    let before = -1
    while (served !== before) {
      before = served
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(received).toBeLessThan(1_000_000)
    expect(served).toBeLessThan(30_000_000)
    mayFlow = true
    control.resume()
    await resumed
    control.abort('seen enough')
  })

  it('sends an upload as it comes, no faster than the provider takes it', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>()
    const { promise: mayRead, resolve: read } = Promise.withResolvers<void>()
    let total = 0
    const origin = await httpServer(async (request, response) => {
      request.pause()
      resolve()
      await mayRead
      for await (const chunk of request) total += (chunk as Buffer).length
      response.end(String(total))
    })
    let made = 0
    const body = new Readable({
      highWaterMark: 65_536,
      read() {
        made += 65_536
        this.push(made > 50_000_000 ? null : Buffer.alloc(65_536))
      },
    })
    const seen = streamed(door(), { origin, method: 'POST', body })
    await arrived
    let before = -1
    while (made !== before) {
      before = made
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(made).toBeLessThan(30_000_000)
    read()
    expect(Number((await seen).body)).toBe(total)
    expect(total).toBeGreaterThan(49_000_000)
  })

  it('passes an answer that comes before the upload is over, and leaves the upload itself alone', async () => {
    const origin = await rawServer((socket, request) => {
      if (request.includes('first')) socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig')
    })
    const body = new PassThrough()
    body.write('first')
    const seen = await streamed(door(), { origin, method: 'POST', headers: ['content-length', '100'], body })
    expect([seen.status, seen.body.toString()]).toEqual([413, 'big'])
    await new Promise(setImmediate)
    expect(body.destroyed).toBe(false)
  })

  it('an upload that breaks off breaks the request off and is never completed at the provider (row 98)', async () => {
    const { promise: broken, resolve } = Promise.withResolvers<boolean>()
    const origin = await httpServer(request => {
      request
        .on('data', () => body.destroy())
        .on('error', () => {})
        .on('close', () => resolve(request.complete))
    })
    const body = new PassThrough()
    body.write('first')
    expect(await failureOf(streamed(door(), { origin, method: 'POST', body }))).toMatchObject({ kind: 'aborted' })
    expect(await broken).toBe(false)
  })

  it('a body that is longer or shorter than its announced length never makes a second request (row 98)', async () => {
    for (const length of ['3', '9']) {
      let head = ''
      const origin = await rawServer((_socket, request) => {
        head = request
      })
      const body = Readable.from([Buffer.from('GET /x')])
      const failure = failureOf(streamed(door(), { origin, method: 'POST', headers: ['content-length', length], body }))
      expect(await failure).toMatchObject({ kind: 'malformed' })
      expect(head).not.toMatch(/GET \/x.*HTTP/s)
    }
  })

  it('an abort reaches the provider at once and is heard once', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    const origin = await httpServer((_request, response) => {
      response.on('close', resolve).write('first')
    })
    const failures: EgressFailure[] = []
    const control = door().stream(
      tenant,
      { method: 'GET', origin, path: '/', headers: [] },
      {
        onHead: () => {},
        onData: () => {
          queueMicrotask(() => control.abort('the grant was revoked'))
          return true
        },
        onEnd: () => {},
        onFailure: failure => failures.push(failure),
      },
    )
    await closed
    control.abort('again')
    expect(failures).toMatchObject([{ kind: 'aborted', message: 'the grant was revoked', sent: true }])
  })

  it('an abort before the connection is open sends nothing', async () => {
    let received = 0
    const origin = await rawServer(() => received++)
    const { promise: asked, resolve: onAsk } = Promise.withResolvers<void>()
    const { promise: name, resolve: answer } = Promise.withResolvers<{ address: string; family: number }[]>()
    const egress = door({
      allow: parseAllowList('in.corp').rules,
      resolve: () => {
        onAsk()
        return name
      },
    })
    const { port } = new URL(origin)
    const failures: EgressFailure[] = []
    const control = egress.stream(
      tenant,
      { method: 'POST', origin: `http://in.corp:${port}`, path: '/', headers: [], body: Buffer.from('x') },
      { onHead: () => {}, onData: () => true, onEnd: () => {}, onFailure: failure => failures.push(failure) },
    )
    await asked
    control.abort('revoked')
    expect(failures).toMatchObject([{ kind: 'aborted', sent: false }])
    answer([{ address: '127.0.0.1', family: 4 }])
    const second = failureOf(streamed(egress, { origin: `http://in.corp:${port}`, path: '/second' }))
    await new Promise<void>(resolve => {
      const wait = () => (received > 0 ? resolve() : setTimeout(wait, 5))
      wait()
    })
    await egress.close()
    expect(await second).toMatchObject({ kind: 'aborted', sent: true })
    expect(received).toBe(1)
  })

  it('reuses a connection for one tenant and never shares it with another (P6)', async () => {
    const connections = new Map<number, string[]>()
    const origin = await httpServer((request, response) => {
      const key = request.socket.remotePort!
      connections.set(key, [...(connections.get(key) ?? []), request.url!])
      response.end()
    })
    const egress = door({ tenantOf: () => ({ isFirst: true }) })
    const other = 'ten_00000000000000000000000001' as TenantId
    for (const [who, path] of [
      [tenant, '/a'],
      [tenant, '/b'],
      [other, '/c'],
    ] as const) {
      await egress.exchange(who, { ...small, url: `${origin}${path}` })
      // A connection is free again one turn after its answer.
      await new Promise(setImmediate)
      await new Promise(setImmediate)
    }
    expect([...connections.values()]).toEqual([['/a', '/b'], ['/c']])
  })

  it('closing cuts what is under way and refuses what comes after', async () => {
    const origin = await rawServer(() => {})
    const egress = door()
    const pending = failureOf(streamed(egress, { origin }))
    await new Promise(setImmediate)
    await egress.close()
    expect(await pending).toMatchObject({ kind: 'aborted' })
    expect(await failureOf(streamed(egress, { origin }))).toMatchObject({ kind: 'aborted', sent: false })
  })
})

describe('TLS', () => {
  it('is verified whatever the environment says', async () => {
    const previous = process.env.NODE_TLS_REJECT_UNAUTHORIZED
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    closers.push(() => {
      if (previous === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = previous
    })
    const { createServer } = await import('node:tls')
    const { selfSigned } = await import('./self-signed.test-data.ts')
    let received = 0
    const server = createServer(selfSigned, socket => socket.on('data', () => received++).on('error', () => {}))
    const port = new URL(await listening(server)).port
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    const allow = parseAllowList('127.0.0.1').rules
    const call = (options: Partial<EgressOptions>, host: string) =>
      failureOf(
        door({ allow, resolve, headersTimeoutMs: 200, ...options }).exchange(tenant, {
          ...small,
          url: `https://${host}:${port}/`,
          timeoutMs: 10_000,
        }),
      )
    expect(await call({}, 'api.test')).toMatchObject({ kind: 'unreachable', sent: false })
    expect(await call({ extraCa: [selfSigned.cert] }, 'other.test')).toMatchObject({ kind: 'unreachable', sent: false })
    expect(received).toBe(0)
    expect(await call({ extraCa: [selfSigned.cert] }, 'api.test')).toMatchObject({ kind: 'timeout', sent: true })
    expect(received).toBe(1)
  })
})
