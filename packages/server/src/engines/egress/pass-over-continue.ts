import type { Socket } from 'node:net'

/**
 * Lets a `100 Continue` that nobody asked for go by, as every other informational answer does (RFC 9110 section 15.2).
 * Some servers send one for every upload; undici breaks the connection then, and nobody hears what became of the request.
 * Before the parser sees it, it becomes a 102. Only what begins an answer is looked at: a head that came since the last
 * byte was written, never a body.
 */
export function passOverContinue(socket: Socket): Socket {
  const read = socket.read.bind(socket)
  let answeredAt = -1
  socket.read = (size?: number) => {
    const chunk: Buffer | null = read(size)
    if (chunk === null || chunk[0] !== 0x48 || socket.bytesWritten === answeredAt) return chunk
    for (let at = 0; at < chunk.length; ) {
      const start = chunk.toString('latin1', at, at + 12)
      if (!/^HTTP\/1\.[01] 1/.test(start)) {
        answeredAt = socket.bytesWritten
        break
      }
      if (start.endsWith('100')) chunk[at + 11] = 0x32
      const end = chunk.indexOf('\r\n\r\n', at)
      if (end === -1) break
      at = end + 4
    }
    return chunk
  }
  return socket
}
