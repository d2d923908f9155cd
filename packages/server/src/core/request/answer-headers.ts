import { connectionNames, isConnectionHeader } from './connection-headers.ts'

/**
 * Not passed to the agent: cookies; words about an origin, which would speak for ours; orders to a web server in front of
 * us. Links are rewritten by `rewriteLinkHeaders`.
 */
const removed = new Set([
  'alt-svc',
  'clear-site-data',
  'expect-ct',
  'nel',
  'origin-agent-cluster',
  'public-key-pins',
  'public-key-pins-report-only',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'x-lighttpd-send-file',
  'x-reproxy-url',
  'x-sendfile',
])

const removedLike = /^(?:access-control-|valetkey-|x-accel-|cross-origin-|sourcemap$|x-sourcemap$)/

/**
 * The provider's headers as they go to the agent, a flat list in the provider's order. `content-length` stays: scrubbing
 * keeps the length. A provider's `www-authenticate` passes with its 401; that an error is ours shows by `Valetkey-Error`,
 * which no provider can send.
 */
export function answerHeaders(rawHeaders: readonly string[]): string[] {
  const named = connectionNames(rawHeaders)
  const headers: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (removed.has(name) || named.has(name) || isConnectionHeader(name) || removedLike.test(name)) continue
    headers.push(rawHeaders[i]!, rawHeaders[i + 1]!)
  }
  return headers
}

/** The same for trailers, which may never say how the message is framed, handled or routed (RFC 9110 section 6.5.1). */
export function answerTrailers(rawTrailers: readonly string[]): string[] {
  const kept = answerHeaders(rawTrailers)
  const trailers: string[] = []
  for (let i = 0; i + 1 < kept.length; i += 2) {
    if (
      !/^(?:content-|host$|link$|location$|refresh$|cache-control$|www-authenticate$|authorization$|age$|date$|expires$|vary$)/i.test(
        kept[i]!,
      )
    ) {
      trailers.push(kept[i]!, kept[i + 1]!)
    }
  }
  return trailers
}
