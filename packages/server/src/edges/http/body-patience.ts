import type { IncomingMessage } from 'node:http'

/** A megabyte, the most that anything but an upload through the proxy takes, comes within this over the slowest line. */
export const longestBodyMs = 30_000

/**
 * Ends the connection of a request whose body has not come to its end in time, read by somebody or not: one that trickles
 * in, for a route that nobody may call even, would else hold its connection for ever (row 98). Node's own limit for
 * requests is off, because an upload or an event stream through the proxy may last.
 */
export function endUnlessRead(request: IncomingMessage, withinMs = longestBodyMs): void {
  if (request.readableEnded || request.complete || !hasBody(request)) return
  const { socket } = request
  const timer = setTimeout(() => socket.destroy(), withinMs).unref()
  request.once('end', () => clearTimeout(timer))
  request.once('close', () => {
    if (socket.destroyed) clearTimeout(timer)
  })
}

/**
 * Throws away what is left of a body whose answer is complete, as long as `endUnlessRead` lets it come: most clients read
 * no answer before they have sent everything (RFC 9112 section 9.3).
 */
export function discardRest(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return
  request.removeAllListeners('readable')
  request.resume()
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
