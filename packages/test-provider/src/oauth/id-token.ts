import { createHash } from 'node:crypto'
import type { ProviderState } from './provider-state.ts'
import type { AccessToken, Code } from './token-book.ts'

/**
 * The id token of a code exchange (OpenID Connect Core sections 2 and 3.1.3.6). Its times are of the outside clock: the
 * client judges them by its own.
 */
export async function idTokenFor(state: ProviderState, access: AccessToken, code: Code): Promise<string> {
  const { quirks } = state
  const user = state.users.get(code.userId)!
  const now = Math.floor(state.baseNow() / 1000)
  const nonce = quirks.has('id-token-wrong-nonce') ? 'another-nonce' : code.nonce
  const token = await state.keys.sign(
    {
      iss: quirks.has('id-token-wrong-issuer') ? 'https://another-issuer.example' : state.issuer,
      sub: user.id,
      aud: quirks.has('id-token-wrong-audience') ? 'another-client' : code.clientId,
      iat: quirks.has('id-token-expired') ? now - 7200 : now,
      exp: quirks.has('id-token-expired') ? now - 3600 : now + 3600,
      auth_time: Math.floor(code.authenticatedAt / 1000),
      at_hash: createHash('sha256').update(access.value).digest().subarray(0, 16).toString('base64url'),
      ...(nonce !== undefined && { nonce }),
      ...claimsOf(state, access),
    },
    quirks,
  )
  state.tokens.idTokens.push(token)
  return token
}

/** The claims that the scopes `profile` and `email` open. */
export function claimsOf(state: ProviderState, access: AccessToken): Readonly<Record<string, unknown>> {
  const user = state.users.get(access.family.userId ?? '')
  if (user === undefined) return {}
  return {
    ...(access.scopes.includes('profile') && { name: user.name }),
    ...(access.scopes.includes('email') && { email: user.email, email_verified: true }),
  }
}
