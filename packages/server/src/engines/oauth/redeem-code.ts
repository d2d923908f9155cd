import { grantedScopes } from '../../core/token/granted-scopes.ts'
import { askTokenEndpoint, type World } from './ask-token-endpoint.ts'
import { judgeIdToken } from './id-token.ts'
import type { RedeemRequest, Send, TokenAnswer } from './oauth.ts'
import { answeredScopes, tokenSetOf } from './token-set-of.ts'

/** Authorization code for tokens (RFC 6749 section 4.1.3) with the PKCE verifier (RFC 7636 section 4.5). */
export async function redeemCode(send: Send, request: RedeemRequest, world: World): Promise<TokenAnswer> {
  const { provider, client } = request
  const { entry } = provider
  const code = request.code.reveal()
  const verifier = request.codeVerifier.reveal()
  const asked = await askTokenEndpoint(
    send,
    {
      provider,
      client,
      grantType: 'authorization_code',
      parameters: {
        code,
        redirect_uri: request.redirectUri,
        ...(entry.oauth.pkce !== 'forbidden' && { code_verifier: verifier }),
      },
      now: request.now,
      secrets: [code, verifier, ...secretsOf(request)],
    },
    world,
  )
  if (asked.kind !== 'json') return asked
  const { granted } = grantedScopes({
    answered: answeredScopes(asked.json),
    requested: request.requestedScopes,
    entry,
  })
  const identity = await identityOf(send, request, asked.json.id_token, asked.json.access_token as string)
  if (identity.kind === 'refused') return identity
  return {
    kind: 'tokens',
    tokens: tokenSetOf(asked.json, {
      provider,
      now: request.now,
      scopes: granted,
      ...(identity.claims !== undefined && { idTokenClaims: identity.claims }),
    }),
  }
}

/**
 * The ID token counts where OpenID was asked for and the issuer is known. One that nobody can verify is left out, unless
 * the account rests on it or the provider is one of OpenID Connect by its entry: then it ends the flow (row 66).
 */
async function identityOf(
  send: Send,
  request: RedeemRequest,
  idToken: unknown,
  accessToken: string,
): Promise<
  | { readonly kind: 'known'; readonly claims?: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly why: string }
> {
  const { provider, client, nonce } = request
  const { oauth } = provider.entry
  const isNeeded = oauth.account?.source === 'id-token'
  if (typeof idToken !== 'string' || !request.requestedScopes.includes('openid')) {
    return isNeeded
      ? { kind: 'refused', why: 'the answer has no ID token, and the account rests on it' }
      : { kind: 'known' }
  }
  const verdict = await judgeIdToken(send, {
    provider,
    clientId: client.clientId,
    idToken,
    accessToken,
    ...(nonce !== undefined && { nonce }),
    now: request.now,
  })
  if (verdict.kind === 'verified') return { kind: 'known', claims: verdict.claims }
  if (verdict.kind === 'unverifiable' && !isNeeded && oauth.discovery !== 'oidc') return { kind: 'known' }
  return { kind: 'refused', why: verdict.why }
}

/** The client's secret in clear, only to recognise it in an answer. */
function secretsOf(request: RedeemRequest): readonly string[] {
  return request.client.clientSecret === undefined ? [] : [request.client.clientSecret.reveal()]
}
