import { connectionNames, isConnectionHeader } from './connection-headers.ts'

/**
 * Not passed to the agent: cookies; words about an origin, which would speak for ours; redirects and links, because an
 * SDK that follows one to the provider takes the agent's token along; orders to a web server in front of us.
 */
const removed = new Set([
  'alt-svc',
  'clear-site-data',
  'content-encoding',
  'content-location',
  'expect-ct',
  'link',
  'location',
  'nel',
  'origin-agent-cluster',
  'public-key-pins',
  'public-key-pins-report-only',
  'refresh',
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

/** The same for trailers, which may never say how the message is framed or handled (RFC 9110 section 6.5.1). */
export function answerTrailers(rawTrailers: readonly string[]): string[] {
  const kept = answerHeaders(rawTrailers)
  const trailers: string[] = []
  for (let i = 0; i + 1 < kept.length; i += 2) {
    if (
      !/^(?:content-|host$|cache-control$|www-authenticate$|authorization$|age$|date$|expires$|vary$)/i.test(kept[i]!)
    ) {
      trailers.push(kept[i]!, kept[i + 1]!)
    }
  }
  return trailers
}

/**
 * Whether the body comes in an encoding although identity was asked for, as content or as a transfer coding beside
 * `chunked` (RFC 9112 section 7): such an answer is refused, for it cannot be scrubbed.
 */
export function hasUnaskedEncoding(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const plain = plainValues.get(rawHeaders[i]!.toLowerCase())
    if (plain !== undefined && !plain.test(rawHeaders[i + 1]!)) return true
  }
  return false
}

const plainValues: ReadonlyMap<string, RegExp> = new Map([
  ['content-encoding', /^\s*(?:identity)?\s*$/i],
  ['transfer-encoding', /^\s*(?:chunked|identity)?\s*$/i],
])
