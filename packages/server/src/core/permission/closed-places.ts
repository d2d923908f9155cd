import type { Reason } from '@valetkey/contract/errors'
import { compilePattern, foldPath, matchPattern, type PathPattern } from '../catalogue/pattern.ts'
import type { ResolvedOrigin, ResolvedProvider } from '../catalogue/resolved-provider.ts'
import { reason } from './denial-reasons.ts'

/** Places where nobody's permission counts: OAuth endpoints, batches, and other products on the same host. */
export function refusalOf(provider: ResolvedProvider, path: string, place: ResolvedOrigin): Reason | undefined {
  const folded = foldPath(path)
  const { endpoints, batches } = closedOf(provider)
  if (endpoints.some(endpoint => isEndpoint(endpoint, folded))) {
    return reason(
      'operation_not_permitted',
      'OAuth endpoints of the provider are not proxied.',
      'Leave tokens to Valetkey: it obtains, renews and revokes them itself.',
    )
  }
  if (batches.some(pattern => matchPattern(pattern, folded))) {
    return reason('operation_not_permitted', 'Batch endpoints take several calls in one.', 'Send the calls singly.')
  }
  if (!isUnder(place.pathPrefixes, path, folded)) {
    return reason(
      'operation_not_permitted',
      `This path is not one of ${provider.entry.name} on ${place.host}.`,
      `Use a path under ${place.pathPrefixes.join(', ')}.`,
    )
  }
  return undefined
}

interface Closed {
  /** Folded paths of OAuth endpoints, up to their first parameter. */
  readonly endpoints: readonly string[]
  readonly batches: readonly PathPattern[]
}

// Read once per provider, because every call asks.
const closed = new WeakMap<ResolvedProvider, Closed>()

function closedOf(provider: ResolvedProvider): Closed {
  const known = closed.get(provider)
  if (known !== undefined) return known
  const endpoints = new Set(
    provider.oauthEndpoints.map(url => {
      const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!
      return foldPath(path.split('/{', 1)[0]!)
    }),
  )
  const batches = (provider.entry.api.batch ?? []).map(text => compilePattern(text.toLowerCase()))
  const read = { endpoints: [...endpoints], batches }
  closed.set(provider, read)
  return read
}

/**
 * On any host and in any spelling, with what hangs below it and with a format at its end (`/oauth/token.json`): a mapped
 * origin may serve them all.
 */
function isEndpoint(endpoint: string, folded: string): boolean {
  if (!folded.startsWith(endpoint)) return false
  return folded.length === endpoint.length || (endpoint !== '/' && '/. '.includes(folded[endpoint.length]!))
}

/** Both as it stands and as a careless server would read it. */
function isUnder(prefixes: readonly string[], path: string, folded: string): boolean {
  return prefixes.some(prefix => {
    if (prefix === '/') return true
    const bare = prefix.toLowerCase()
    return (path === prefix || path.startsWith(`${prefix}/`)) && (folded === bare || folded.startsWith(`${bare}/`))
  })
}
