import type { Connection, Credential } from '../../core/connection.ts'
import type { Integration } from '../../core/integration.ts'
import type { Secret } from '../../core/secret.ts'
import type { Parts } from '../../parts.ts'
import { accessTokenContext, refreshTokenContext } from './seal-context.ts'

/** A credential in clear: in memory only, for one call or one renewal (P1). */
export interface OpenCredential {
  readonly generation: number
  readonly accessToken: Secret
  readonly refreshToken?: Secret
}

/**
 * Opens the tokens of a connection. The context is made of the connection and the integration that the caller chose, so
 * a row that was moved, or a credential obtained for other destinations, does not open (P6, P7).
 */
export async function openCredential(
  parts: Pick<Parts, 'vault'>,
  connection: Pick<Connection, 'id' | 'tenant' | 'user'>,
  integration: Pick<Integration, 'id' | 'destinationDigest'>,
  credential: Credential,
): Promise<OpenCredential> {
  const { generation, sealedAccessToken, sealedRefreshToken } = credential
  const [accessToken, refreshToken] = await Promise.all([
    parts.vault.open(accessTokenContext(connection, integration, generation), sealedAccessToken),
    sealedRefreshToken &&
      parts.vault.open(refreshTokenContext(connection, integration, generation), sealedRefreshToken),
  ])
  return { generation, accessToken, ...(refreshToken !== undefined && { refreshToken }) }
}
