import type { Caller } from '../../core/caller.ts'
import { notFound } from '../../core/failure.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import type { GrantId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { sealGrant } from './grant-seal.ts'

/**
 * Ends a grant by hand. When this returns, no call of this process passes under it and its streams are being cut (P4).
 * Ending what has ended changes nothing and returns it.
 */
export async function endGrant(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random' | 'revocations'>,
  caller: Caller,
  id: GrantId,
): Promise<Grant> {
  const known = await parts.store.asTenant(caller.tenant, rows => rows.grants.get(id))
  if (known === undefined) throw notFound()
  const now = parts.now()
  if (endOf(known, now) !== undefined) return known
  const ended = await sealGrant(parts, { ...known, endedAt: now, endedReason: 'revoked' })
  await parts.store.change(caller.tenant, async rows => {
    await rows.grants.end(ended)
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'grant.revoked',
        outcome: 'ok',
        ...(ended.user !== undefined && { user: ended.user }),
        agent: ended.agent,
        connection: ended.connection,
        grant: ended.id,
        ...(ended.task !== undefined && { task: ended.task }),
      }),
    ])
  })
  parts.revocations.tell({ kind: 'grant', tenant: caller.tenant, id, agent: ended.agent, connection: ended.connection })
  return ended
}
