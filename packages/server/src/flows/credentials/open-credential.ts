import type { Connection, Credential } from '../../core/connection.ts'
import { Failure } from '../../core/failure.ts'
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
 * The generation of what a connect session holds until the right person ends it. Sealed as such, it opens for the
 * session and for no call: whoever writes `active` into the row of a pending connection gets nothing by it (row 2, P6).
 */
export const heldGeneration = 0

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
  if (credential.generation === heldGeneration)
    throw new Failure('connection_required', 'This connection was not completed. Ask its owner to connect the account.')
  return open(parts, connection, integration, credential, credential.generation)
}

/** Opens what a connect session holds, to keep it or to throw it away. */
export async function openHeld(
  parts: Pick<Parts, 'vault'>,
  pending: Pick<Connection, 'id' | 'tenant' | 'user'>,
  integration: Pick<Integration, 'id' | 'destinationDigest'>,
  credential: Credential,
): Promise<OpenCredential> {
  return open(parts, pending, integration, credential, heldGeneration)
}

async function open(
  parts: Pick<Parts, 'vault'>,
  connection: Pick<Connection, 'id' | 'tenant' | 'user'>,
  integration: Pick<Integration, 'id' | 'destinationDigest'>,
  { sealedAccessToken, sealedRefreshToken }: Credential,
  generation: number,
): Promise<OpenCredential> {
  const [accessToken, refreshToken] = await Promise.all([
    parts.vault.open(accessTokenContext(connection, integration, generation), sealedAccessToken),
    sealedRefreshToken &&
      parts.vault.open(refreshTokenContext(connection, integration, generation), sealedRefreshToken),
  ])
  return { generation, accessToken, ...(refreshToken !== undefined && { refreshToken }) }
}
