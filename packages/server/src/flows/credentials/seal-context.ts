import type { Connection } from '../../core/connection.ts'
import type { Integration } from '../../core/integration.ts'
import type { SealContext } from '../../engines/vault/vault.ts'

/**
 * What each secret of a connection or integration is bound to (P6). Every member comes from rows that the caller chose
 * by id, never from the row that holds the sealed text; and the destinations are the integration's present ones, so that
 * a credential obtained for others does not open.
 */
type Owner = Pick<Connection, 'id' | 'tenant' | 'user'>
type Place = Pick<Integration, 'id' | 'destinationDigest'>

export function accessTokenContext(connection: Owner, integration: Place, generation: number): SealContext {
  return credentialContext(connection, integration, 'access_token', generation)
}

export function refreshTokenContext(connection: Owner, integration: Place, generation: number): SealContext {
  return credentialContext(connection, integration, 'refresh_token', generation)
}

export function clientSecretContext(integration: Place & Pick<Integration, 'tenant'>): SealContext {
  return clientContext(integration, 'client_secret')
}

export function privateKeyContext(integration: Place & Pick<Integration, 'tenant'>): SealContext {
  return clientContext(integration, 'private_key')
}

function credentialContext(connection: Owner, integration: Place, field: string, generation: number): SealContext {
  return {
    tenant: connection.tenant,
    ...(connection.user !== undefined && { user: connection.user }),
    integration: integration.id,
    connection: connection.id,
    destination: integration.destinationDigest,
    field,
    generation,
  }
}

function clientContext(integration: Place & Pick<Integration, 'tenant'>, field: string): SealContext {
  return {
    tenant: integration.tenant,
    integration: integration.id,
    destination: integration.destinationDigest,
    field,
  }
}
