import type { Caller } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { notFound } from '../../core/failure.ts'
import type { Page, PageRequest } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { isClientId } from './load-client.ts'

/** One client of that kind; a deleted one is not found. */
export async function readClient(
  parts: Pick<Parts, 'store'>,
  caller: Caller,
  kind: Client['kind'],
  id: string,
): Promise<Client> {
  if (!isClientId(id)) throw notFound()
  const client = await parts.store.asTenant(caller.tenant, rows => rows.clients.get(id))
  if (client === undefined || client.kind !== kind || client.disabledAt !== undefined) throw notFound()
  return client
}

/** The clients of that kind. A page may have fewer rows than asked for, because deleted ones are left out. */
export async function listClients(
  parts: Pick<Parts, 'store'>,
  caller: Caller,
  kind: Client['kind'],
  page: PageRequest,
): Promise<Page<Client>> {
  const found = await parts.store.asTenant(caller.tenant, rows => rows.clients.list(kind, page))
  return { ...found, rows: found.rows.filter(client => client.disabledAt === undefined) }
}
