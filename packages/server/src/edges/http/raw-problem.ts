import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Failure } from '../../core/failure.ts'
import { renderProblem } from './problem.ts'

/** How long whoever is told so may take to close its side too. */
const lingerMs = 2_000

/** A problem on a bare socket, for what never became a request: a parser's error, CONNECT. Ends the connection. */
export function endWithProblem(socket: Duplex, failure: Failure, requestId: string): void {
  if (!socket.writable) return
  // A peer that keeps its side open would keep the connection; one that is cut at once might not read the answer.
  socket.once('finish', () => {
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref()
    socket.once('close', () => clearTimeout(timer))
  })
  const problem = renderProblem(failure, requestId)
  const body = JSON.stringify(problem.body)
  const headers = {
    ...problem.headers,
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${lines.join('')}\r\n${body}`)
}
