import { type Answer, type Exchange, empty, json } from '../http/exchange.ts'
import { authenticateClient } from './client-authentication.ts'
import type { ProviderState } from './provider-state.ts'
import { oauthError } from './token-answer.ts'
import { readForm } from './token-form.ts'

/**
 * Revocation (RFC 7009): a client ends its own tokens only, an unknown token is answered alike. A refresh token takes
 * its family with it.
 */
export async function revoke(state: ProviderState, exchange: Exchange): Promise<Answer> {
  const asked = await readTokenParameter(state, exchange)
  if ('status' in asked) return asked
  const access = state.tokens.access.get(asked.token)
  const refresh = state.tokens.refresh.get(asked.token)
  const family = (access ?? refresh)?.family
  if (family?.clientId === asked.clientId) {
    state.tokens.stats.revocations += 1
    if (access !== undefined) access.isRevoked = true
    if (refresh !== undefined) state.tokens.kill(refresh.family)
  }
  const isBare = state.surface.paths.isDiscoverable
  return isBare ? empty(200, { 'cache-control': 'no-store' }) : json(200, {}, { 'cache-control': 'no-store' })
}

/** Introspection (RFC 7662): of tokens that are not alive, or not the client's, it says only that. */
export async function introspect(state: ProviderState, exchange: Exchange): Promise<Answer> {
  const asked = await readTokenParameter(state, exchange)
  if ('status' in asked) return asked
  const headers = { 'cache-control': 'no-store' }
  const access = state.tokens.access.get(asked.token)
  const refresh = state.tokens.refresh.get(asked.token)
  const isLive =
    (access !== undefined && state.tokens.isAccessLive(access)) ||
    (refresh !== undefined && state.tokens.isRefreshLive(refresh))
  const token = access ?? refresh
  if (token === undefined || !isLive || token.family.clientId !== asked.clientId) {
    return json(200, { active: false }, headers)
  }
  return json(
    200,
    {
      active: true,
      client_id: token.family.clientId,
      sub: token.family.userId ?? token.family.clientId,
      scope: token.scopes.join(' '),
      token_type: access === undefined ? 'refresh_token' : 'Bearer',
      iss: state.issuer,
      ...(Number.isFinite(token.expiresAt) && { exp: Math.floor(token.expiresAt / 1000) }),
      ...(access !== undefined && { iat: Math.floor(access.issuedAt / 1000) }),
    },
    headers,
  )
}

async function readTokenParameter(
  state: ProviderState,
  exchange: Exchange,
): Promise<Answer | { readonly token: string; readonly clientId: string }> {
  const read = readForm(state, exchange)
  if (read.kind === 'refused') return oauthError(state, exchange, read.refusal)
  const verdict = await authenticateClient(state, exchange, read.form)
  if (verdict.kind === 'refused') return oauthError(state, exchange, verdict.refusal)
  const token = read.form.get('token')
  if (token === undefined) {
    return oauthError(state, exchange, { status: 400, error: 'invalid_request', detail: 'token is missing' })
  }
  return { token, clientId: verdict.client.id }
}
