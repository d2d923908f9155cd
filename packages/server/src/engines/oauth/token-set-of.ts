import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Secret } from '../../core/secret.ts'
import { splitAnswer } from '../../core/token/answer-secrets.ts'
import type { JsonObject } from '../../core/token/bounded-json.ts'
import type { TokenSet } from '../../core/token/token-set.ts'

/**
 * A judged answer as a token set. `now` is the time at which the request began, so that the expiry is never too late.
 * A lifetime that the provider did not say is the entry's, else unknown (row 71).
 */
export function tokenSetOf(
  json: JsonObject,
  more: {
    readonly provider: ResolvedProvider
    readonly now: number
    readonly scopes: readonly string[]
    /** The refresh token in use, which stays good when the answer brings no new one (RFC 6749 section 6). */
    readonly refreshToken?: Secret
    readonly idTokenClaims?: Readonly<Record<string, unknown>>
  },
): TokenSet {
  const said = typeof json.expires_in === 'number' ? json.expires_in : undefined
  const seconds = said ?? more.provider.entry.oauth.accessTokenLifetimeSeconds
  const fresh = typeof json.refresh_token === 'string' ? new Secret(json.refresh_token) : undefined
  const refreshToken = fresh ?? more.refreshToken
  const { facts, secrets } = splitAnswer(json)
  return {
    accessToken: new Secret(json.access_token as string),
    ...(refreshToken !== undefined && { refreshToken }),
    ...(seconds !== undefined && { expiresAt: more.now + seconds * 1000 }),
    scopes: more.scopes,
    ...(more.idTokenClaims !== undefined && { idTokenClaims: more.idTokenClaims }),
    facts,
    otherSecrets: secrets.map(secret => new Secret(secret)),
  }
}

/** The scopes that the normaliser found in an answer; undefined when the provider did not say. */
export function answeredScopes(json: JsonObject): readonly string[] | undefined {
  return typeof json.scope === 'string' ? json.scope.split(' ').filter(name => name !== '') : undefined
}
