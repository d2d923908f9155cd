import type { Caller } from '../../core/caller.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { sealGrant } from '../grants/grant-seal.ts'

/**
 * The ended forms of those grants that live. Made before the transaction that stores them: the vault may have to read
 * its keys, and a transaction must not wait for another one.
 */
export async function endedForms(
  parts: Pick<Parts, 'vault' | 'now'>,
  grants: readonly Grant[],
  reason: 'task_ended' | 'agent_deleted',
): Promise<readonly Grant[]> {
  const now = parts.now()
  const live = grants.filter(grant => endOf(grant, now) === undefined)
  return Promise.all(live.map(grant => sealGrant(parts, { ...grant, endedAt: now, endedReason: reason })))
}

/** Stores ended forms with their events. False when `live` has a grant that they leave out: it was made meanwhile. */
export async function storeEnded(
  parts: Pick<Parts, 'now' | 'random'>,
  rows: TenantRows,
  caller: Caller,
  ended: readonly Grant[],
  live: readonly Grant[],
): Promise<boolean> {
  const now = parts.now()
  const isLeftOut = (grant: Grant) => endOf(grant, now) === undefined && !ended.some(({ id }) => id === grant.id)
  if (live.some(isLeftOut)) return false
  for (const grant of ended) {
    // Ended by another hand meanwhile: it has its event.
    if (!live.some(({ id }) => id === grant.id)) continue
    await rows.grants.end(grant)
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'grant.revoked',
        outcome: 'ok',
        ...(grant.user !== undefined && { user: grant.user }),
        agent: grant.agent,
        connection: grant.connection,
        grant: grant.id,
        ...(grant.task !== undefined && { task: grant.task }),
        ...(grant.endedReason !== undefined && { facts: { reason: grant.endedReason } }),
      }),
    ])
  }
  return true
}

/** Tells caches and streams of this process about grants whose end is now durable. */
export function tellGrants(parts: Pick<Parts, 'revocations'>, grants: readonly Grant[]): void {
  for (const { id, tenant, agent, connection } of grants) {
    parts.revocations.tell({ kind: 'grant', tenant, id, agent, connection })
  }
}
