import { createHash, timingSafeEqual } from 'node:crypto'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { Exchange } from '../http/exchange.ts'
import type { Client } from '../options.ts'
import type { OAuthRefusal, ProviderState } from './provider-state.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const longestAssertionSeconds = 300

export type ClientVerdict =
  | { readonly kind: 'client'; readonly client: Client }
  | { readonly kind: 'refused'; readonly refusal: OAuthRefusal }

type Presented =
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly id: string; readonly secret: string }
  | { readonly method: 'private_key_jwt'; readonly id: string; readonly assertion: string }
  | { readonly method: 'none'; readonly id: string }

/**
 * Who the client is. Exactly one method per request (RFC 6749 section 2.3), and only the one it registered. Every
 * failure reads the same, so that the answer does not tell which clients exist.
 */
export async function authenticateClient(
  state: ProviderState,
  exchange: Exchange,
  form: ReadonlyMap<string, string>,
): Promise<ClientVerdict> {
  const refused = (error: string, detail: string): ClientVerdict => ({
    kind: 'refused',
    refusal: { status: error === 'invalid_client' ? 401 : 400, error, detail },
  })
  const presented = readPresented(exchange, form)
  if (typeof presented === 'string') return refused('invalid_request', presented)
  const failed = refused('invalid_client', 'client authentication failed')
  const client = presented && state.clients.get(presented.id)
  if (presented === undefined || client === undefined || client.authMethod !== presented.method) return failed
  switch (presented.method) {
    case 'client_secret_basic':
    case 'client_secret_post':
      return isSame(presented.secret, client.secret ?? '') ? { kind: 'client', client } : failed
    case 'private_key_jwt':
      return (await isGoodAssertion(state, client, presented.assertion)) ? { kind: 'client', client } : failed
    case 'none':
      return { kind: 'client', client }
  }
}

/** The one credential of the request; a text says why there is not exactly one. */
function readPresented(exchange: Exchange, form: ReadonlyMap<string, string>): Presented | string | undefined {
  const found: Presented[] = []
  const header = exchange.headers.authorization
  const formId = form.get('client_id')
  if (header !== undefined) {
    const basic = /^basic ([A-Za-z0-9+/]+=*)$/i.exec(header)
    const text = basic === null ? '' : Buffer.from(basic[1]!, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    if (colon < 0) return 'the Authorization header is not of the Basic scheme'
    try {
      // Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
      const decode = (part: string) => decodeURIComponent(part.replaceAll('+', '%20'))
      found.push({
        method: 'client_secret_basic',
        id: decode(text.slice(0, colon)),
        secret: decode(text.slice(colon + 1)),
      })
    } catch {
      return 'the Basic credentials are not form-encoded'
    }
  }
  const secret = form.get('client_secret')
  if (secret !== undefined) found.push({ method: 'client_secret_post', id: formId ?? '', secret })
  const assertion = form.get('client_assertion')
  if (assertion !== undefined || form.has('client_assertion_type')) {
    if (assertion === undefined || form.get('client_assertion_type') !== assertionType) {
      return `a client assertion needs client_assertion and client_assertion_type=${assertionType}`
    }
    try {
      found.push({ method: 'private_key_jwt', id: String(decodeJwt(assertion).sub ?? ''), assertion })
    } catch {
      return 'client_assertion is not a JWT'
    }
  }
  if (found.length > 1) return 'the client used more than one authentication method'
  const one = found[0]
  if (one === undefined) return formId === undefined ? undefined : { method: 'none', id: formId }
  if (formId !== undefined && formId !== one.id) return 'client_id differs from the authenticated client'
  return one
}

/**
 * RFC 7523 section 3 with the stricter audience of its 2025 update: one audience, used once, at most five minutes long.
 * Judged by the outside time, because the client's clock does not jump with the provider's.
 */
async function isGoodAssertion(state: ProviderState, client: Client, assertion: string): Promise<boolean> {
  try {
    const now = state.baseNow()
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(client.jwks!), {
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      issuer: client.id,
      subject: client.id,
      currentDate: new Date(now),
      requiredClaims: ['exp', 'jti', 'aud'],
    })
    const audiences = [state.issuer, `${state.url}${state.surface.paths.token}`]
    if (typeof payload.aud !== 'string' || !audiences.includes(payload.aud)) return false
    if (payload.exp! > now / 1000 + longestAssertionSeconds) return false
    const use = JSON.stringify([client.id, payload.jti])
    if (state.usedAssertions.has(use)) return false
    state.usedAssertions.add(use)
    return true
  } catch {
    return false
  }
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
