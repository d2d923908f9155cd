import type { Caller } from '../../core/caller.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { sealGrant } from '../grants/grant-seal.ts'

/** Ends grants, with their events, within the transaction of whatever ends them. Returns those that it ended. */
export async function endGrants(
  parts: Pick<Parts, 'vault' | 'now' | 'random'>,
  rows: TenantRows,
  caller: Caller,
  grants: readonly Grant[],
  reason: 'task_ended' | 'agent_deleted',
): Promise<readonly Grant[]> {
  const now = parts.now()
  const ended: Grant[] = []
  for (const grant of grants) {
    if (endOf(grant, now) !== undefined) continue
    const sealed = await sealGrant(parts, { ...grant, endedAt: now, endedReason: reason })
    await rows.grants.end(sealed)
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'grant.revoked',
        outcome: 'ok',
        ...(grant.user !== undefined && { user: grant.user }),
        agent: grant.agent,
        connection: grant.connection,
        grant: grant.id,
        ...(grant.task !== undefined && { task: grant.task }),
        facts: { reason },
      }),
    ])
    ended.push(sealed)
  }
  return ended
}

/** Tells caches and streams of this process about grants whose end is now durable. */
export function tellGrants(parts: Pick<Parts, 'revocations'>, grants: readonly Grant[]): void {
  for (const { id, tenant, agent, connection } of grants) {
    parts.revocations.tell({ kind: 'grant', tenant, id, agent, connection })
  }
}
