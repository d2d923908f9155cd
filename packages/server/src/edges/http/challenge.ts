import { Failure } from '../../core/failure.ts'

/** What a challenge is about: nothing was sent, what was sent is not valid, or it lacks scopes. */
export type ChallengeKind = 'no_credentials' | 'invalid_token' | 'insufficient_scope'

/**
 * The `WWW-Authenticate` field of RFC 6750 section 3, with `resource_metadata` of RFC 9728 section 5.1. Without
 * credentials it has no `error`, so that a stranger learns only where to begin (row 9).
 */
export function challenge(
  kind: ChallengeKind,
  about: { readonly baseUrl: string; readonly scopes?: readonly string[]; readonly resource?: 'api' | 'mcp' },
): string {
  const { baseUrl, scopes = [], resource = 'api' } = about
  const metadata = `resource_metadata="${wellKnownUrl(baseUrl, 'oauth-protected-resource', resource === 'mcp' ? '/mcp' : '')}"`
  switch (kind) {
    case 'no_credentials':
      return `Bearer ${metadata}`
    case 'invalid_token':
      return `Bearer error="invalid_token", error_description="The access token is not valid here. Get a new one.", ${metadata}`
    case 'insufficient_scope':
      return `Bearer error="insufficient_scope", error_description="The access token lacks scopes.", scope="${scopes.join(' ')}", ${metadata}`
  }
}

/** The challenge that goes with a failure, or undefined when it is not about the caller's own token. */
export function challengeFor(
  failure: Failure,
  about: { readonly baseUrl: string; readonly authorization: readonly string[]; readonly resource?: 'api' | 'mcp' },
): string | undefined {
  if (failure.code === 'unauthorized')
    return challenge(about.authorization.length === 0 ? 'no_credentials' : 'invalid_token', about)
  if (failure.code !== 'insufficient_scope') return undefined
  const scopes = failure.more.members?.required_scopes
  return challenge('insufficient_scope', { ...about, scopes: Array.isArray(scopes) ? scopes.map(String) : [] })
}

/** Throws `insufficient_scope` with every scope that the token lacks (row 10). */
export function requireScopes(caller: { readonly scopes: ReadonlySet<string> }, required: readonly string[]): void {
  const missing = required.filter(scope => !caller.scopes.has(scope))
  if (missing.length === 0) return
  throw new Failure('insufficient_scope', `This needs a token with the scopes: ${missing.join(', ')}.`, {
    members: { required_scopes: missing },
  })
}

/** The address of a well-known document: inserted between host and path (RFC 8414 section 3.1, RFC 9728 section 3.1). */
export function wellKnownUrl(baseUrl: string, name: string, path = ''): string {
  const { origin, pathname } = new URL(baseUrl)
  return `${origin}/.well-known/${name}${pathname === '/' ? '' : pathname}${path}`
}
