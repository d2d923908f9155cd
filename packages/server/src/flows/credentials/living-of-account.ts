import type { Connection } from '../../core/connection.ts'
import type { Integration } from '../../core/integration.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { providerWithoutDiscovery } from './provider-of.ts'

/**
 * Live connections of one account at the same OAuth client, whichever integration they were made with: one client at a
 * provider may serve several of its products, and some providers end them all when one is revoked.
 */
export async function livingOfAccount(
  parts: Pick<Parts, 'catalogue'>,
  rows: TenantRows,
  integration: Integration,
  accountId: string,
): Promise<readonly Connection[]> {
  const tokenEndpoint = tokenEndpointOf(parts, integration)
  const isSameClient = (other: Integration) =>
    other.id === integration.id ||
    (other.clientId === integration.clientId &&
      tokenEndpoint !== undefined &&
      tokenEndpointOf(parts, other) === tokenEndpoint)
  const living: Connection[] = []
  let cursor: string | undefined
  do {
    const page = await rows.integrations.list({ limit: 200, ...(cursor !== undefined && { cursor }) })
    for (const other of page.rows.filter(isSameClient))
      for (const connection of await rows.connections.sameAccount(other.id, accountId))
        if (connection.status !== 'pending' && connection.status !== 'revoked') living.push(connection)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return living
}

/** None for an integration whose destinations are not those its secrets were given for: nobody can use that one. */
function tokenEndpointOf(parts: Pick<Parts, 'catalogue'>, integration: Integration): string | undefined {
  try {
    return providerWithoutDiscovery(parts, integration).tokenEndpoint
  } catch {
    return undefined
  }
}
