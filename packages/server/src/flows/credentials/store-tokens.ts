import type { Connection, Credential } from '../../core/connection.ts'
import type { Integration } from '../../core/integration.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import type { Parts } from '../../parts.ts'
import { accessTokenContext, refreshTokenContext } from './seal-context.ts'

/**
 * The sealed row of a token answer, for one connection, the integration's present destinations and one generation. It is
 * made here for the connect flow and for refresh alike, and stored by `credentials.insert` or `replace`.
 */
export async function sealTokens(
  parts: Pick<Parts, 'vault'>,
  connection: Pick<Connection, 'id' | 'tenant' | 'user'>,
  integration: Pick<Integration, 'id' | 'destinationDigest'>,
  tokens: Pick<TokenSet, 'accessToken' | 'refreshToken' | 'expiresAt'>,
  generation: number,
  now: number,
): Promise<Credential> {
  const { accessToken, refreshToken, expiresAt } = tokens
  const [sealedAccessToken, sealedRefreshToken] = await Promise.all([
    parts.vault.seal(accessTokenContext(connection, integration, generation), accessToken),
    refreshToken && parts.vault.seal(refreshTokenContext(connection, integration, generation), refreshToken),
  ])
  return {
    connection: connection.id,
    generation,
    sealedAccessToken,
    ...(sealedRefreshToken !== undefined && { sealedRefreshToken }),
    destinationDigest: integration.destinationDigest,
    ...(expiresAt !== undefined && { accessExpiresAt: expiresAt }),
    obtainedAt: now,
    refreshFailures: 0,
  }
}
