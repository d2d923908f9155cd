import { sql } from 'kysely'
import type { GrantId, TenantId } from '../../core/ids.ts'
import { rowSet } from './row-set.ts'
import type { Handle, Kind } from './schema.ts'

export interface Spending {
  readonly grant: GrantId
  readonly now: number
}

/**
 * Takes one call from the budget of each entry's grant, in order, and says for each whether it got one. A grant that is
 * unknown or was ended by hand gives none. Rows are locked in the order of their ids, so that two batches never wait for
 * each other in a ring.
 */
export async function spend(
  db: Handle,
  kind: Kind,
  tenant: TenantId,
  spendings: readonly (Spending | undefined)[],
): Promise<readonly boolean[]> {
  const ids = [...new Set(spendings.flatMap(one => (one ? [one.grant] : [])))].sort()
  if (ids.length === 0) return spendings.map(() => true)
  const wanted = sql<{ id: GrantId }>`(select v.id from ${rowSet(
    kind,
    { id: 'text' },
    ids.map(id => [id]),
  )})`
  const query = db
    .selectFrom('grants')
    .select(['id', 'calls', 'max_calls'])
    .where('tenant_id', '=', tenant)
    .where('id', 'in', sql<GrantId>`${wanted}`)
    .where('ended_at', 'is', null)
    .orderBy('id')
  const rows = await (kind === 'postgres' ? query.forUpdate() : query).execute()
  const purses = new Map(
    rows.map(row => [row.id, { left: (row.max_calls ?? Infinity) - row.calls, taken: 0, last: 0 }]),
  )
  const got = spendings.map(one => {
    if (one === undefined) return true
    const purse = purses.get(one.grant)
    if (purse === undefined || purse.taken >= purse.left) return false
    purse.taken++
    purse.last = Math.max(purse.last, one.now)
    return true
  })
  const taken = [...purses].filter(([, purse]) => purse.taken > 0).map(([id, purse]) => [id, purse.taken, purse.last])
  if (taken.length > 0) {
    await sql`update grants set calls = grants.calls + v.taken,
      last_used_at = case when grants.last_used_at > v.used then grants.last_used_at else v.used end
      from ${rowSet(kind, { id: 'text', taken: 'integer', used: 'integer' }, taken)}
      where grants.tenant_id = ${tenant} and grants.id = v.id`.execute(db)
  }
  return got
}
