import { type Caller, clientOf } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { Failure, notFound } from '../../core/failure.ts'
import type { Grant } from '../../core/grant.ts'
import type { AgentId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { subjectOf } from './create-client.ts'
import { endGrants, tellGrants } from './end-grants.ts'
import { isClientId, sealClient } from './load-client.ts'

/**
 * Ends an agent or an app for good: its tokens are refused when this returns, its grants are ended. The row stays, so
 * that events keep a name; a second time it is not found.
 */
export async function deleteClient(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random' | 'revocations'>,
  caller: Caller,
  kind: 'agent' | 'app',
  id: string,
): Promise<Client> {
  if (!isClientId(id)) throw notFound()
  if (id === clientOf(caller)) throw new Failure('conflict', 'A client cannot delete itself.')
  const now = parts.now()
  const { client, grants } = await parts.store.change(caller.tenant, async rows => {
    const known = await rows.clients.get(id)
    if (known === undefined || known.kind !== kind || known.disabledAt !== undefined) throw notFound()
    const deleted = await sealClient(parts, { ...known, disabledAt: now, updatedAt: now })
    await rows.clients.update(deleted)
    await rows.audit.append([eventOf(parts, caller, { ...subjectOf(deleted), type: `${kind}.deleted`, outcome: 'ok' })])
    const live: readonly Grant[] = kind === 'agent' ? await rows.grants.liveOfAgent(id as AgentId, now) : []
    return { client: deleted, grants: await endGrants(parts, rows, caller, live, 'agent_deleted') }
  })
  parts.revocations.tell({ kind: 'client', tenant: caller.tenant, id })
  tellGrants(parts, grants)
  return client
}
