/** Headers that describe the connection itself: undici writes them from the target, a caller never does. */
const transport = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'proxy-authorization',
])

/**
 * Why a request may not be written as it is, or undefined. The path is an origin-form path of printable ASCII, so that
 * neither an absolute URL nor a line break can name another host or smuggle a second request (RFC 9112 section 3.2).
 */
export function faultOfRequest(method: string, path: string, headers: readonly string[]): string | undefined {
  if (!/^[A-Z]{1,20}$/.test(method) || method === 'CONNECT' || method === 'TRACE') return 'The method cannot be sent.'
  if (!/^\/[!"$-~]*$/.test(path)) return 'The path must begin with a slash and hold printable ASCII without "#".'
  if (headers.length % 2 !== 0) return 'The list of headers must be name, value, name, value.'
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (transport.has(name)) return `The header ${name} belongs to the connection and is not taken from a caller.`
  }
  return undefined
}
