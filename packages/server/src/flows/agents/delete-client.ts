import { type Caller, clientOf } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { Failure } from '../../core/failure.ts'
import type { AgentId } from '../../core/ids.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { subjectOf } from './create-client.ts'
import { endedForms, storeEnded, tellGrants } from './end-grants.ts'
import { sealClient } from './load-client.ts'
import { readClient } from './read-clients.ts'

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
  if (id === clientOf(caller)) throw new Failure('conflict', 'A client cannot delete itself.')
  for (let attempt = 0; attempt < 5; attempt++) {
    const known = await readClient(parts, caller, kind, id)
    const now = parts.now()
    const liveGrants = async (rows: TenantRows) =>
      kind === 'agent' ? rows.grants.liveOfAgent(known.id as AgentId, now) : []
    const client = await sealClient(parts, { ...known, disabledAt: now, updatedAt: now })
    const grants = await endedForms(parts, await parts.store.asTenant(caller.tenant, liveGrants), 'agent_deleted')
    const isDone = await parts.store.change(caller.tenant, async rows => {
      const current = await rows.clients.get(client.id)
      if (current?.mac !== known.mac) return false
      if (!(await storeEnded(parts, rows, caller, grants, await liveGrants(rows)))) return false
      await rows.clients.update(client)
      await rows.audit.append([
        eventOf(parts, caller, { ...subjectOf(client), type: `${kind}.deleted`, outcome: 'ok' }),
      ])
      return true
    })
    if (!isDone) continue
    parts.revocations.tell({ kind: 'client', tenant: caller.tenant, id })
    tellGrants(parts, grants)
    return client
  }
  throw new Failure('conflict', 'This client or its grants are being changed at the same time. Try again.')
}
