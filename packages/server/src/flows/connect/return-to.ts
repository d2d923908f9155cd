import type { Client } from '../../core/client.ts'

/**
 * Whether a person may be sent back there: it equals one of the app's registered URLs, but for the port of a loopback IP
 * literal (RFC 8252 section 7.3) and for the query. Operators may use loopback IPs. Agents have nowhere to send people.
 */
export function isReturnToAllowed(returnTo: string, client: Pick<Client, 'kind' | 'returnToUrls'>): boolean {
  const url = parse(returnTo)
  if (url === undefined || url.hash !== '' || url.username !== '' || url.password !== '') return false
  if (client.kind === 'operator') return url.protocol === 'http:' && isLoopbackIp(url.hostname)
  if (client.kind !== 'app') return false
  return client.returnToUrls.some(registered => {
    const known = parse(registered)
    if (known === undefined || known.protocol !== url.protocol || known.hostname !== url.hostname) return false
    if (known.pathname !== url.pathname) return false
    // Compared as written, too: parsing folds `/a/../b`, which a registered URL never contains.
    if (
      returnTo
        .split(/[?#]/)[0]!
        .slice(url.protocol.length + 2)
        .split('/')
        .slice(1)
        .join('/') !==
      registered
        .split(/[?#]/)[0]!
        .slice(known.protocol.length + 2)
        .split('/')
        .slice(1)
        .join('/')
    )
      return false
    if (known.search !== '' && known.search !== url.search) return false
    return known.port === url.port || (known.protocol === 'http:' && isLoopbackIp(known.hostname))
  })
}

function parse(text: string): URL | undefined {
  if (/[\s\\\x00-\x1f\x7f]/.test(text)) return undefined
  return URL.canParse(text) ? new URL(text) : undefined
}

function isLoopbackIp(hostname: string): boolean {
  return hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
