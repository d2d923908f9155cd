import { headTuple, placeRow, type StreamHead } from '../../core/audit/chain.ts'
import type { TenantId } from '../../core/ids.ts'
import { eventNames, type Prepared } from './append.ts'
import type { HeadMac } from './head-mac.ts'
import type { Spending } from './spend.ts'
import type { Value } from './sqlite-statements.ts'
import type { SqliteThread, Step } from './sqlite-thread.ts'

export interface Entry {
  readonly prepared: Prepared
  readonly spending: Spending | undefined
}

export interface SqliteAppendOptions {
  readonly stream: string
  readonly headMac?: HeadMac
  readonly writer: Pick<SqliteThread, 'commit'>
  /** Keeps other transactions of the writer away meanwhile. */
  readonly oneAtATime: <T>(work: () => Promise<T>) => Promise<T>
  /** The stored head, as it was last committed. */
  readonly readHead: (tenant: TenantId, stream: string) => { readonly seq: number; readonly head: string } | undefined
}

/**
 * A batch of the node's own stream as one message to the writing thread and one transaction in it, instead of a dozen of
 * each. What it takes for granted is checked by the statements themselves: every grant pays for all of its entries, and the
 * stream stands where it was left. Answers false, with nothing written, when that does not hold; the caller then goes the
 * way that asks first.
 */
export function sqliteAppend(
  options: SqliteAppendOptions,
): (tenant: TenantId, batch: readonly Entry[]) => Promise<boolean> {
  const { stream, headMac, writer, oneAtATime, readHead } = options
  const heads = new Map<TenantId, StreamHead>()
  return (tenant, batch) =>
    oneAtATime(async () => {
      const stored = heads.get(tenant) ?? readHead(tenant, stream)
      if (stored === undefined) return false
      const before: StreamHead = { tenant, stream, seq: stored.seq, head: stored.head }
      let at = before
      const rows: Value[][] = []
      for (const { prepared } of batch) {
        at = placeRow(prepared.row, at).at
        rows.push(cellsOf(prepared, at))
      }
      const mac = headMac === undefined ? null : await headMac.sign(tenant, headTuple(at))
      const salts = batch.filter(one => Object.keys(one.prepared.salts).length > 0)
      // Known again only when this transaction has come to its end.
      heads.delete(tenant)
      const isDone = await writer.commit([
        ...payments(tenant, batch),
        { text: insertRow, rows: JSON.stringify(rows) },
        { text: insertSalts, rows: JSON.stringify(salts.map(one => [tenant, one.prepared.row.id, saltsOf(one)])) },
        { text: moveHead, values: [at.seq, at.head, mac, tenant, stream, before.seq, before.head], expected: 1 },
      ])
      if (isDone) heads.set(tenant, at)
      return isDone
    })
}

const names = eventNames.map(name => `"${name}"`).join(', ')
const insertRow = `insert into audit_events (${names}) values (${eventNames.map(() => '?').join(', ')})`
const insertSalts = 'insert into audit_salts (tenant_id, event_id, salts) values (?, ?, ?)'
const moveHead = `update audit_streams set seq = ?, head = ?, head_mac = ?
  where tenant_id = ? and stream = ? and seq = ? and head = ?`
const pay = `update grants set calls = calls + ?1,
  last_used_at = case when last_used_at > ?2 then last_used_at else ?2 end
  where tenant_id = ?3 and id = ?4 and ended_at is null and (max_calls is null or calls + ?1 <= max_calls)`

function payments(tenant: TenantId, batch: readonly Entry[]): Step[] {
  const purses = new Map<string, { taken: number; last: number }>()
  for (const { spending } of batch) {
    if (spending === undefined) continue
    const purse = purses.get(spending.grant) ?? { taken: 0, last: 0 }
    purses.set(spending.grant, purse)
    purse.taken++
    purse.last = Math.max(purse.last, spending.now)
  }
  return [...purses].map(([id, { taken, last }]) => ({ text: pay, values: [taken, last, tenant, id], expected: 1 }))
}

function cellsOf({ row }: Prepared, at: StreamHead): Value[] {
  return eventNames.map(name =>
    name === 'stream' ? at.stream : name === 'seq' ? at.seq : name === 'head' ? at.head : row[name],
  )
}

function saltsOf({ prepared }: Entry): string {
  return JSON.stringify(prepared.salts)
}
