import type { Credential } from '../../core/connection.ts'
import { Failure, notFound } from '../../core/failure.ts'
import type { ConnectionId, TenantId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import type { Renewable } from './renewal.ts'

/** A connection with its integration and, unless it has none, its credential. Throws 404 for what is unknown or over. */
export async function renewableOf(
  parts: Pick<Parts, 'store'>,
  tenant: TenantId,
  id: ConnectionId,
): Promise<Renewable & { readonly credential?: Credential }> {
  const found = await parts.store.asTenant(tenant, async rows => {
    const connection = await rows.connections.get(id)
    if (connection === undefined || connection.status === 'revoked') return undefined
    const integration = await rows.integrations.get(connection.integration)
    return { connection, integration, credential: await rows.credentials.get(id) }
  })
  if (found === undefined) throw notFound()
  const { connection, integration, credential } = found
  if (integration === undefined) throw new Failure('internal', 'The integration of this connection is gone.')
  return { connection, integration, ...(credential !== undefined && { credential }) }
}

/** Throws unless the connection holds a credential that somebody may use now. */
export function requireUsable(connection: Renewable['connection']): void {
  switch (connection.status) {
    case 'active':
      return
    case 'pending':
      throw new Failure(
        'connection_required',
        'The account is not connected yet. Ask its owner to finish connecting it.',
      )
    case 'needs_reauth':
      throw new Failure('needs_reauth', 'The account has to be connected again. Ask its owner to connect it again.')
    case 'error':
    case 'disabled':
      throw new Failure('conflict', `The connection is ${connection.status}. Ask the operator to look at it.`)
    case 'revoked':
      throw notFound()
  }
}
