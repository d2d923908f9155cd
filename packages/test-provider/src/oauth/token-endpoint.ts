import { createHash } from 'node:crypto'
import type { Answer, Exchange } from '../http/exchange.ts'
import type { Client, GrantType } from '../options.ts'
import { authenticateClient } from './client-authentication.ts'
import { idTokenFor } from './id-token.ts'
import { judgeScopes, type ProviderState, splitScopes } from './provider-state.ts'
import { oauthError, tokenAnswer } from './token-answer.ts'
import type { Code, Family, RefreshToken } from './token-book.ts'
import { readForm } from './token-form.ts'

/** Scopes that speak of a person, who is not there with client credentials. */
const userScopes = ['openid', 'profile', 'email', 'offline_access']

type Form = ReadonlyMap<string, string>

/** POST of the token endpoint: authorization code, refresh token, client credentials. */
export async function token(state: ProviderState, exchange: Exchange): Promise<Answer> {
  const read = readForm(state, exchange)
  if (read.kind === 'refused') return oauthError(state, exchange, read.refusal)
  const { form } = read
  const verdict = await authenticateClient(state, exchange, form)
  if (verdict.kind === 'refused') return oauthError(state, exchange, verdict.refusal)
  const { client } = verdict
  const grantType = form.get('grant_type')
  const refuse: Refuse = (error, detail) => oauthError(state, exchange, { status: 400, error, detail })
  if (grantType === undefined) return refuse('invalid_request', 'grant_type is missing')
  if (!['authorization_code', 'refresh_token', 'client_credentials'].includes(grantType)) {
    return refuse('unsupported_grant_type', `"${grantType}" is not offered`)
  }
  if (!client.grantTypes.includes(grantType as GrantType)) {
    return refuse('unauthorized_client', `the client is not registered for ${grantType}`)
  }
  switch (grantType as GrantType) {
    case 'authorization_code':
      return redeemCode(state, client, form, refuse)
    case 'refresh_token':
      return renewTokens(state, client, form, refuse)
    case 'client_credentials':
      return clientCredentials(state, client, form, refuse)
  }
}

type Refuse = (error: string, detail: string) => Answer

async function redeemCode(state: ProviderState, client: Client, form: Form, refuse: Refuse): Promise<Answer> {
  const value = form.get('code')
  if (value === undefined) return refuse('invalid_request', 'code is missing')
  const { code, detail } = state.tokens.redeem(value, client.id)
  if (code === undefined) return refuse('invalid_grant', detail)
  if (form.get('redirect_uri') !== code.redirectUri) {
    return refuse('invalid_grant', 'redirect_uri differs from the one of the authorization request')
  }
  const pkceFault = judgeVerifier(state, code, form.get('code_verifier'))
  if (pkceFault !== undefined) return refuse('invalid_grant', pkceFault)
  const family = state.tokens.openFamily(client.id, code.userId, code.scopes)
  code.family = family
  state.tokens.stats.codesRedeemed += 1
  const access = state.tokens.mintAccess(family)
  const refresh = firstRefreshToken(state, client, family)
  const idToken = code.scopes.includes('openid') ? await idTokenFor(state, access, code) : undefined
  return tokenAnswer(state, access, refresh, idToken)
}

/** PKCE at the token endpoint; a verifier for a code without challenge is a downgrade (RFC 9700 section 4.8.2). */
function judgeVerifier(state: ProviderState, code: Code, verifier: string | undefined): string | undefined {
  if (state.pkce === 'ignored') return undefined
  if (code.challenge === undefined) {
    return verifier === undefined ? undefined : 'code_verifier was sent but the code has no challenge'
  }
  if (verifier === undefined) return 'code_verifier is missing'
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return 'code_verifier must be 43 to 128 unreserved characters'
  const matches = createHash('sha256').update(verifier).digest('base64url') === code.challenge
  return matches ? undefined : 'code_verifier does not match the challenge'
}

/** The refresh token of a new family, where the rules give one. */
export function firstRefreshToken(state: ProviderState, client: Client, family: Family): RefreshToken | undefined {
  const isWanted =
    state.rotation !== 'none' &&
    !state.quirks.has('no-refresh-token') &&
    client.grantTypes.includes('refresh_token') &&
    (!state.offlineAccessRequired || family.scopes.includes('offline_access'))
  return isWanted ? state.tokens.mintRefresh(family) : undefined
}

function renewTokens(state: ProviderState, client: Client, form: Form, refuse: Refuse): Answer {
  const value = form.get('refresh_token')
  if (value === undefined) return refuse('invalid_request', 'refresh_token is missing')
  const scope = form.get('scope')
  const isOmitted = state.quirks.has('refresh-omits-refresh-token')
  const asked = scope === undefined || state.surface.isScopedByClient ? undefined : splitScopes(scope)
  const outcome = state.tokens.renew(value, client.id, asked, !isOmitted)
  if (outcome.kind === 'refreshed') {
    return tokenAnswer(state, outcome.access, isOmitted ? undefined : outcome.refresh, undefined)
  }
  switch (outcome.reason) {
    case 'widened':
      return refuse('invalid_scope', 'a refresh may ask for no more than was granted')
    case 'reused':
      return refuse('invalid_grant', 'the refresh token was used before; all tokens of this consent are revoked')
    case 'expired':
      return refuse('invalid_grant', 'the refresh token has expired')
    default:
      return refuse('invalid_grant', 'the refresh token is unknown or revoked')
  }
}

/** RFC 6749 section 4.4: never a refresh token, never a user. */
function clientCredentials(state: ProviderState, client: Client, form: Form, refuse: Refuse): Answer {
  const asked = form.get('scope')
  const all = client.scopes ?? (state.scopes === 'any' ? [] : state.scopes)
  const scopes = judgeScopes(state, client, asked === undefined ? all : splitScopes(asked))
  if (scopes.unknown.length > 0) {
    return refuse('invalid_scope', `unknown or not allowed: ${scopes.unknown.join(' ')}`)
  }
  const granted = scopes.granted.filter(scope => !userScopes.includes(scope))
  const family = state.tokens.openFamily(client.id, undefined, granted)
  state.tokens.stats.clientCredentials += 1
  return tokenAnswer(state, state.tokens.mintAccess(family), undefined, undefined)
}
