import { type Answer, type Exchange, type Handler, json } from '../http/exchange.ts'
import type { ApiRefusal, ProviderState } from './provider-state.ts'
import type { AccessToken } from './token-book.ts'

/** A handler that runs only with a good token. */
export type AuthorizedHandler = (
  exchange: Exchange,
  params: Readonly<Record<string, string>>,
  token: AccessToken,
) => Answer | Promise<Answer>

/**
 * Puts the bearer check before an API (RFC 6750): one token, in the Authorization header only, alive, with every scope
 * the API declares.
 */
export function withBearer(state: ProviderState, scopes: readonly string[], handle: AuthorizedHandler): Handler {
  return (exchange, params) => {
    const verdict = judgeBearer(state, exchange, scopes)
    if ('kind' in verdict) {
      state.tokens.stats.apiRefused += 1
      return refuse(state, verdict)
    }
    state.tokens.stats.apiCalls += 1
    if (verdict.family.userId !== undefined) exchange.record.user = verdict.family.userId
    return handle(exchange, params, verdict)
  }
}

function judgeBearer(state: ProviderState, exchange: Exchange, scopes: readonly string[]): AccessToken | ApiRefusal {
  // Node keeps the first of several Authorization headers; a proxy that adds one must not get away with it.
  const headers = exchange.rawHeaders.filter((name, index) => index % 2 === 0 && /^authorization$/i.test(name))
  if (headers.length === 0 || exchange.query.has('access_token')) return { kind: 'no_token' }
  const bearer = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(exchange.headers.authorization ?? '')
  if (headers.length > 1 || bearer === null) return { kind: 'invalid_token' }
  const known = state.tokens.access.get(bearer[1]!)
  if (known === undefined || known.isRevoked || known.family.isDead) return { kind: 'invalid_token' }
  if (!state.tokens.isAccessLive(known)) return { kind: 'expired_token' }
  const missing = scopes.filter(scope => !known.scopes.includes(scope))
  return missing.length > 0 ? { kind: 'insufficient_scope', required: scopes } : known
}

function refuse(state: ProviderState, refusal: ApiRefusal): Answer {
  const isAboutToken = refusal.kind !== 'insufficient_scope'
  if (isAboutToken && state.quirks.has('api-200-on-error')) return json(200, { ok: false, error: 'invalid_auth' })
  const answer = state.surface.refuseApi(state, refusal)
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': challenge(state, refusal) } }
}

function challenge(state: ProviderState, refusal: ApiRefusal): string {
  const realm = `Bearer realm="${state.issuer}"`
  if (refusal.kind === 'no_token') return realm
  if (refusal.kind === 'insufficient_scope') {
    return `${realm}, error="insufficient_scope", scope="${refusal.required.join(' ')}"`
  }
  const detail = refusal.kind === 'expired_token' ? 'the token has expired' : 'the token is not good here'
  return `${realm}, error="invalid_token", error_description="${detail}"`
}
