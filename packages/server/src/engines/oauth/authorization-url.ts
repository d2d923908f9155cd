import type { AuthorizationRequest } from './oauth.ts'

/** Parameters that only we set: an entry or an override that names one must not win over the flow's own value. */
const ours = new Set([
  'response_type',
  'client_id',
  'redirect_uri',
  'state',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'include_granted_scopes',
])

/**
 * The authorization URL (RFC 6749 section 4.1.1), PKCE S256 always unless the provider refuses the parameter (row 19).
 * `include_granted_scopes` is never sent: it would hand one connection the scopes of another.
 */
export function authorizationUrl(request: AuthorizationRequest): string {
  const { provider, scopes } = request
  const { oauth } = provider.entry
  if (provider.authorizationEndpoint === undefined) {
    throw new TypeError('authorizationUrl wants a provider whose authorization endpoint is known')
  }
  const url = new URL(provider.authorizationEndpoint)
  url.hash = ''
  for (const name of ours) url.searchParams.delete(name)
  for (const [name, value] of Object.entries(oauth.authorizationParameters ?? {})) {
    if (!ours.has(name)) url.searchParams.set(name, value)
  }
  url.searchParams.set('response_type', 'code')
  url.searchParams.set('client_id', request.clientId)
  url.searchParams.set('redirect_uri', request.redirectUri)
  url.searchParams.set('state', request.state)
  if (oauth.scopesFixedAtClient !== true && scopes.length > 0) {
    url.searchParams.set(oauth.scopeParameter ?? 'scope', [...new Set(scopes)].join(oauth.scopeSeparator))
  }
  if (oauth.pkce !== 'forbidden') {
    url.searchParams.set('code_challenge', request.codeChallenge)
    url.searchParams.set('code_challenge_method', 'S256')
  }
  // OpenID Connect Core section 11: a refresh token for later use needs the person's explicit consent.
  if (scopes.includes('offline_access')) url.searchParams.set('prompt', 'consent')
  if (request.nonce !== undefined && scopes.includes('openid')) url.searchParams.set('nonce', request.nonce)
  return url.href
}
