import { type Client, clientTuple } from '../../core/client.ts'
import { type ClientId, isId, type TenantId } from '../../core/ids.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'

/** Whether a text has the form of a client's id. */
export function isClientId(text: unknown): text is ClientId {
  return isId('agt', text) || isId('app', text) || isId('opr', text)
}

/** Puts the keyed MAC on a client, over everything that authenticates and permits. */
export async function sealClient(parts: Pick<Parts, 'vault'>, client: Omit<Client, 'mac'>): Promise<Client> {
  return { ...client, mac: await parts.vault.mac(client.tenant, 'client', lengthPrefixed(clientTuple(client))) }
}

/**
 * The client if its row is what we wrote. One that somebody altered in the database does not count as a client, and the
 * log says so (P6).
 */
export async function genuineClient(
  parts: Pick<Parts, 'vault' | 'log'>,
  tenant: TenantId,
  client: Client | undefined,
): Promise<Client | undefined> {
  if (client === undefined) return undefined
  const tuple = lengthPrefixed(clientTuple(client))
  if (client.tenant === tenant && (await parts.vault.verifyMac(tenant, 'client', tuple, client.mac))) return client
  parts.log.error('The row of a client was altered outside Valetkey; it cannot authenticate until it is restored', {
    tenant,
    client: client.id,
  })
  return undefined
}

/** A client that may act now: known, genuine, neither disabled nor deleted. */
export async function loadClient(
  parts: Pick<Parts, 'store' | 'vault' | 'log'>,
  tenant: TenantId,
  id: string,
): Promise<Client | undefined> {
  if (!isClientId(id)) return undefined
  const row = await parts.store.asTenant(tenant, rows => rows.clients.get(id))
  const client = await genuineClient(parts, tenant, row)
  return client?.disabledAt === undefined ? client : undefined
}

/**
 * Whether a client that was loaded before a transaction is still the same within it. The vault is asked outside of
 * transactions only, because it may have to read its keys from the same database.
 */
export async function isUnchanged(rows: TenantRows, client: Client): Promise<boolean> {
  return (await rows.clients.get(client.id))?.mac === client.mac
}
