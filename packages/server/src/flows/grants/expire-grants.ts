import { endOf, type Grant } from '../../core/grant.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { sealGrant } from './grant-seal.ts'

/**
 * Writes down the end of grants that ended by themselves: by time, idleness or budget. They counted for nothing from that
 * moment on; this is for the record and for who looks at the row. Called by a timer; several nodes may do it at once.
 */
export async function expireGrants(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random'>,
  tenant: TenantId,
): Promise<number> {
  const now = parts.now()
  const overdue = await parts.store.asTenant(tenant, rows => rows.grants.overdue(now, 200))
  const ended = await Promise.all(
    overdue.map(grant =>
      sealGrant(parts, { ...grant, endedAt: endTime(grant, now), endedReason: endOf(grant, now) ?? 'expired' }),
    ),
  )
  for (const grant of ended) {
    await parts.store.change(tenant, async rows => {
      if (!(await rows.grants.end(grant))) return
      await rows.audit.append([
        eventOf(parts, undefined, {
          type: 'grant.expired',
          outcome: 'ok',
          ...(grant.user !== undefined && { user: grant.user }),
          agent: grant.agent,
          connection: grant.connection,
          grant: grant.id,
          ...(grant.task !== undefined && { task: grant.task }),
          facts: { reason: grant.endedReason ?? 'expired' },
        }),
      ])
    })
  }
  return ended.length
}

function endTime(grant: Grant, now: number): number {
  switch (endOf(grant, now)) {
    case 'expired':
      return grant.expiresAt
    case 'idle':
      return (grant.lastUsedAt ?? grant.createdAt) + (grant.idleTimeoutSeconds ?? 0) * 1000
    default:
      return now
  }
}
