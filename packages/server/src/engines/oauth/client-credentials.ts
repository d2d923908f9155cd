import { askTokenEndpoint, type World } from './ask-token-endpoint.ts'
import type { ClientCredentialsRequest, Send, TokenAnswer } from './oauth.ts'
import { answeredScopes, tokenSetOf } from './token-set-of.ts'

/** RFC 6749 section 4.4. A provider that does not say which scopes it granted, granted what was asked. */
export async function clientCredentials(
  send: Send,
  request: ClientCredentialsRequest,
  world: World,
): Promise<TokenAnswer> {
  const { provider, client, scopes, now } = request
  const clientSecret = client.clientSecret?.reveal()
  const asked = await askTokenEndpoint(
    send,
    {
      provider,
      client,
      grantType: 'client_credentials',
      parameters: scopes.length === 0 ? {} : { scope: scopes.join(provider.entry.oauth.scopeSeparator) },
      now,
      secrets: clientSecret === undefined ? [] : [clientSecret],
    },
    world,
  )
  if (asked.kind !== 'json') return asked
  return {
    kind: 'tokens',
    tokens: tokenSetOf(asked.json, { provider, now, scopes: answeredScopes(asked.json) ?? scopes }),
  }
}
