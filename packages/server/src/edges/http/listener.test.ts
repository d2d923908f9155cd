import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, it } from 'vitest'
import { httpLimits } from './http-limits.ts'
import { makeListener } from './listener.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** Sends the bytes, keeps its own side open, and gives what came until the other side ended. */
async function answerTo(limits: Partial<Record<keyof typeof httpLimits, number>>, bytes: string): Promise<string> {
  server = makeListener(
    {
      request(request, response) {
        if (request.method === 'GET') response.end('served')
        else response.flushHeaders()
      },
      unreadable: (code, socket) => socket.end(code),
      connect: (_request, socket) => socket.destroy(),
      dropped: () => {},
    },
    undefined,
    { ...httpLimits, ...limits },
  )
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const socket = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(bytes)
  let heard = ''
  for await (const chunk of socket) heard += chunk
  socket.destroy()
  return heard
}

const whole = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

it('headers that trickle in end the connection in time, and so does a connection that never says a word (row 98)', async () => {
  const limits = { headersMs: 40, checkMs: 10 }
  expect(await answerTo(limits, 'GET / HTTP/1.1\r\nHost: a\r\nX: ')).toBe('ERR_HTTP_REQUEST_TIMEOUT')
  expect(await answerTo(limits, '')).toBe('ERR_HTTP_REQUEST_TIMEOUT')
})

it('headers beyond the size end it at once', async () => {
  const large = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(httpLimits.headerBytes)}\r\n\r\n`
  expect(await answerTo({}, large)).toBe('HPE_HEADER_OVERFLOW')
})

it('an idle connection ends after its time, one in use on which no byte moves after another', async () => {
  expect(await answerTo({ keepAliveMs: 20 }, whole)).toContain('served')
  // Neither the rest of the body comes, nor of the answer.
  const heard = await answerTo({ silentMs: 40 }, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
  expect(heard).toMatch(/^HTTP\/1.1 200 OK\r\n/)
})

it('an idle connection holds nothing of its last call, whose secrets are in memory as long as that', async () => {
  const served: WeakRef<object>[] = []
  server = makeListener({
    request(request, response) {
      served.push(new WeakRef(request), new WeakRef(response))
      response.end('served')
    },
    unreadable: (_code, socket) => socket.destroy(),
    connect: (_request, socket) => socket.destroy(),
    dropped: () => {},
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  for (let call = 0; call < 2; call++) {
    socket.write(whole)
    await once(socket, 'data')
  }
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let turn = 0; turn < 3; turn++) {
    await new Promise(done => setImmediate(done))
    collect()
  }
  expect(served.map(one => one.deref())).toEqual([undefined, undefined, undefined, undefined])
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})
