import { askTokenEndpoint, type World } from './ask-token-endpoint.ts'
import type { RefreshRequest, Send, TokenAnswer } from './oauth.ts'
import { answeredScopes, tokenSetOf } from './token-set-of.ts'

/**
 * RFC 6749 section 6. Scopes are not sent, so that the provider keeps what was granted; one that does not say keeps it
 * too. The token set holds the refresh token to use from now on: the new one, else the one that was sent.
 */
export async function refresh(send: Send, request: RefreshRequest, world: World): Promise<TokenAnswer> {
  const { provider, client, now, beforeSend } = request
  const refreshToken = request.refreshToken.reveal()
  const clientSecret = client.clientSecret?.reveal()
  const asked = await askTokenEndpoint(
    send,
    {
      provider,
      client,
      grantType: 'refresh_token',
      parameters: { refresh_token: refreshToken },
      now,
      ...(beforeSend !== undefined && { beforeSend }),
      secrets: clientSecret === undefined ? [refreshToken] : [refreshToken, clientSecret],
    },
    world,
  )
  if (asked.kind !== 'json') return asked
  return {
    kind: 'tokens',
    tokens: tokenSetOf(asked.json, {
      provider,
      now,
      scopes: answeredScopes(asked.json) ?? request.grantedScopes,
      refreshToken: request.refreshToken,
    }),
  }
}
