import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { endUnlessRead } from './body-patience.ts'

const servers: Server[] = []
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
  for (const server of servers.splice(0)) server.closeAllConnections()
})

/** A connection to a server that answers at once and reads no body. */
async function open(): Promise<{ readonly socket: Socket; readonly ended: Promise<void> }> {
  const server = createServer((request, response) => {
    endUnlessRead(request)
    response.end('seen')
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {})
  return { socket, ended: new Promise<void>(resolve => socket.once('close', () => resolve())) }
}

function say(socket: Socket, bytes: string): Promise<string> {
  return new Promise(resolve => {
    socket.on('data', chunk => {
      if (chunk.toString().includes('seen')) resolve('answered')
    })
    socket.once('close', () => resolve('ended'))
    socket.write(bytes)
  })
}

const trickling = [
  'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na',
  'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
]
const whole = ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na']

describe('a body that nobody reads', () => {
  it.each(trickling)('and that does not come to its end in time ends its connection: %j (row 98)', async bytes => {
    const { socket, ended } = await open()
    expect(await say(socket, bytes)).toBe('answered')
    vi.advanceTimersByTime(60_000)
    await ended
  })

  it.each(whole)('that came whole, or was none, leaves the connection for the next request: %j', async bytes => {
    const { socket } = await open()
    for (let i = 0; i < 3; i++) {
      expect(await say(socket, bytes)).toBe('answered')
      vi.advanceTimersByTime(60_000)
    }
  })
})
