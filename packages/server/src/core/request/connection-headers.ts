/** Headers that belong to one connection and end there (RFC 9110 section 7.6.1), beside those that `Connection` names. */
const connectionHeaders = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a header (lower case) belongs to the connection. */
export function isConnectionHeader(name: string): boolean {
  return connectionHeaders.has(name)
}

const none: ReadonlySet<string> = new Set()

/** The names, in lower case, that the `Connection` headers of a flat list give. */
export function connectionNames(rawHeaders: readonly string[]): ReadonlySet<string> {
  let names: Set<string> | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== 'connection') continue
    names ??= new Set()
    for (const token of rawHeaders[i + 1]!.split(',')) names.add(token.trim().toLowerCase())
  }
  return names ?? none
}
