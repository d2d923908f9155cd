import type { Connection } from '../../core/connection.ts'
import type { Integration } from '../../core/integration.ts'
import type { Secret } from '../../core/secret.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import type { Account } from '../../engines/oauth/oauth.ts'
import { livingOfAccount } from '../credentials/living-of-account.ts'
import { openClient } from '../credentials/open-client.ts'
import { openHeld } from '../credentials/open-credential.ts'
import { providerOf } from '../credentials/provider-of.ts'
import { sendFor } from '../credentials/send-for.ts'
import type { ConnectParts } from './connect-parts.ts'

export type Upstream = 'revoked' | 'kept' | 'failed' | 'unsupported'

/**
 * Revokes tokens that we will not keep, but only when that harms nobody: the provider revokes token by token, or no live
 * connection of that account exists at the same OAuth client. Else a link that mallory sent round would switch off
 * alice's connections.
 */
export async function revokeTokens(
  parts: ConnectParts,
  integration: Integration,
  tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>,
  account: Pick<Account, 'id'> | undefined,
): Promise<Upstream> {
  try {
    const provider = await providerOf(parts, integration)
    if (provider.entry.oauth.authorizationModel !== 'per_token') {
      if (account === undefined) return 'kept'
      const others = await parts.store.asTenant(integration.tenant, rows =>
        livingOfAccount(parts, rows, integration, account.id),
      )
      if (others.length > 0) return 'kept'
    }
    const client = await openClient(parts, integration)
    const token: { kind: 'access_token' | 'refresh_token'; token: Secret } =
      tokens.refreshToken !== undefined && (provider.entry.oauth.revocation?.tokens.includes('refresh_token') ?? false)
        ? { kind: 'refresh_token', token: tokens.refreshToken }
        : { kind: 'access_token', token: tokens.accessToken }
    return await parts.oauth.revoke(sendFor(parts, integration.tenant), { provider, client, ...token })
  } catch (cause) {
    parts.log.warn('tokens that are thrown away could not be revoked upstream', {
      integration: integration.id,
      error: cause,
    })
    return 'failed'
  }
}

/** Opens the sealed tokens of a pending connection once more, to revoke them upstream. */
export async function revokePending(parts: ConnectParts, pending: Connection): Promise<Upstream> {
  const { integration, credential } = await parts.store.asTenant(pending.tenant, async rows => ({
    integration: await rows.integrations.get(pending.integration),
    credential: await rows.credentials.get(pending.id),
  }))
  if (integration === undefined || credential === undefined) return 'failed'
  try {
    const tokens = await openHeld(parts, pending, integration, credential)
    return await revokeTokens(
      parts,
      integration,
      tokens,
      pending.accountId === undefined ? undefined : { id: pending.accountId },
    )
  } catch (cause) {
    parts.log.warn('a pending credential could not be opened to revoke it', { connection: pending.id, error: cause })
    return 'failed'
  }
}
