import { type Answer, type Exchange, json } from '../http/exchange.ts'
import type { OAuthRefusal, ProviderState } from './provider-state.ts'
import type { AccessToken, RefreshToken } from './token-book.ts'

const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' }

/** The answer to a successful token request (RFC 6749 section 5.1), dressed by the quirks. */
export function tokenAnswer(
  state: ProviderState,
  access: AccessToken,
  refresh: RefreshToken | undefined,
  idToken: string | undefined,
): Answer {
  const { quirks } = state
  const seconds = Math.floor((access.expiresAt - access.issuedAt) / 1000)
  const has = { expiry: Number.isFinite(seconds) && !quirks.has('no-expiry'), scope: !quirks.has('scope-missing') }
  const unset = quirks.has('null-fields') ? null : undefined
  const members: Record<string, unknown> = {
    access_token: access.value,
    token_type: quirks.has('token-type-nonstandard') ? 'bot' : 'Bearer',
    expires_in: has.expiry ? (quirks.has('expires-in-string') ? String(seconds) : seconds) : unset,
    refresh_token: refresh?.value ?? unset,
    scope: has.scope ? access.scopes.join(quirks.has('scope-response-comma') ? ',' : ' ') : unset,
    id_token: idToken ?? unset,
    error: unset,
    ...state.surface.tokenMembers(state, access.family),
  }
  const told: Record<string, unknown> = quirks.has('nested-token') ? { authed_user: members } : members
  if (quirks.has('http-200-on-error')) told.ok = true
  if (quirks.has('extra-huge-answer')) told.padding = 'x'.repeat(8 * 1024 * 1024)
  return dress(state, quirks.has('status-201') ? 201 : 200, told)
}

/** An error of the token, revocation or introspection endpoint (RFC 6749 section 5.2), dressed by the quirks. */
export function oauthError(state: ProviderState, exchange: Exchange, refusal: OAuthRefusal): Answer {
  const isQuiet = state.quirks.has('http-200-on-error')
  const members = {
    ...(isQuiet && { ok: false }),
    error: refusal.error,
    error_description: refusal.detail,
    ...state.surface.errorMembers(state, refusal, exchange),
  }
  const challenge =
    refusal.status === 401 && exchange.headers.authorization !== undefined
      ? { 'www-authenticate': `Basic realm="${state.issuer}"` }
      : {}
  return dress(state, isQuiet ? 200 : refusal.status, members, challenge)
}

function dress(
  state: ProviderState,
  status: number,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  if (state.quirks.has('form-encoded-answer')) {
    const form = new URLSearchParams()
    for (const [name, value] of Object.entries(members)) {
      if (value === undefined) continue
      form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value))
    }
    return {
      status,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...noStore, ...headers },
      body: form.toString(),
    }
  }
  const answer = json(status, members, { ...noStore, ...headers })
  if (!state.quirks.has('deep-json')) return answer
  // Written as text, because a serialiser would not survive the depth either.
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  return { ...answer, body: `${(answer.body as string).slice(0, -1)},"deep":${deep}}` }
}
