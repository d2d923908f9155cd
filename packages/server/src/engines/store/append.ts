import type { AuditEvent } from '@valetkey/contract/events'
import { sql } from 'kysely'
import { emptyHead, headTuple, placeRow, type StreamHead } from '../../core/audit/chain.ts'
import { type AuditRow, type Salts, saltedMembersOf, toRow, type UnplacedRow } from '../../core/audit/record.ts'
import type { TenantId } from '../../core/ids.ts'
import type { HeadMac } from './head-mac.ts'
import { type Cell, rowSet } from './row-set.ts'
import type { Handle, Kind } from './schema.ts'

export type Random = (size: number) => Uint8Array

/** An event made ready for its stream: row, leaf, and the salts that are kept apart from it. */
export interface Prepared {
  readonly row: UnplacedRow
  readonly salts: Salts
}

/** Draws the salts and makes the leaf. Throws a TypeError for an event that is not one, before anything is written. */
export function prepare(event: AuditEvent, tenant: TenantId, random: Random): Prepared {
  const salts: Record<string, string> = {}
  for (const member of saltedMembersOf(event)) salts[member] = Buffer.from(random(16)).toString('base64url')
  return { row: toRow(event, tenant, salts), salts }
}

/**
 * Appends to one stream of a tenant within the transaction of `db`: takes the stream's head under a row lock, links each
 * row to the one before, and moves the head on. Whoever appends to the same stream waits until this transaction ends.
 */
export async function appendInTransaction(
  db: Handle,
  kind: Kind,
  tenant: TenantId,
  stream: string,
  events: readonly Prepared[],
  headMac?: HeadMac,
): Promise<void> {
  if (events.length === 0) return
  let at: StreamHead = { tenant, stream, ...(await takeHead(db, kind, tenant, stream)) }
  const rows: AuditRow[] = []
  for (const { row } of events) {
    const placed = placeRow(row, at)
    rows.push(placed.row)
    at = placed.at
  }
  await insertRows(db, kind, rows)
  await insertSalts(db, kind, tenant, events)
  await db
    .updateTable('audit_streams')
    .set({ seq: at.seq, head: at.head, head_mac: headMac ? await headMac.sign(tenant, headTuple(at)) : null })
    .where('tenant_id', '=', tenant)
    .where('stream', '=', stream)
    .execute()
}

async function takeHead(
  db: Handle,
  kind: Kind,
  tenant: TenantId,
  stream: string,
): Promise<{ seq: number; head: string }> {
  const locked = () => {
    const query = db
      .selectFrom('audit_streams')
      .select(['seq', 'head'])
      .where('tenant_id', '=', tenant)
      .where('stream', '=', stream)
    // SQLite needs no row lock: a writing transaction is alone.
    return (kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst()
  }
  const head = await locked()
  if (head) return head
  await db
    .insertInto('audit_streams')
    .values({ tenant_id: tenant, stream, seq: 0, head: emptyHead, head_mac: null })
    .onConflict(conflict => conflict.doNothing())
    .execute()
  return (await locked())!
}

/** Columns of `audit_events` with the type of each. A column that is missing here would be missing in the row. */
const eventColumns = {
  tenant_id: 'text',
  stream: 'text',
  seq: 'integer',
  id: 'text',
  time: 'text',
  type: 'text',
  outcome: 'text',
  user: 'text',
  agent: 'text',
  app: 'text',
  task: 'text',
  actor_chain: 'text',
  connection: 'text',
  integration: 'text',
  provider: 'text',
  operation: 'text',
  resource_type: 'text',
  action: 'text',
  resource_ids: 'text',
  grant: 'text',
  request_id: 'text',
  of: 'text',
  decision: 'text',
  http: 'text',
  ip: 'text',
  facts: 'text',
  commitments: 'text',
  leaf: 'text',
  head: 'text',
} as const satisfies Record<keyof AuditRow, 'text' | 'integer'>

/** The same, in the order in which rows are written. */
export const eventNames = Object.keys(eventColumns) as (keyof AuditRow)[]

async function insertRows(db: Handle, kind: Kind, rows: readonly AuditRow[]): Promise<void> {
  const cells = rows.map(row => eventNames.map((name): Cell => row[name]))
  const names = sql.join(eventNames.map(name => sql.ref(name)))
  await sql`insert into audit_events (${names}) select ${names} from ${rowSet(kind, eventColumns, cells)}`.execute(db)
}

async function insertSalts(db: Handle, kind: Kind, tenant: TenantId, events: readonly Prepared[]): Promise<void> {
  const cells: Cell[][] = []
  for (const { row, salts } of events) {
    if (Object.keys(salts).length > 0) cells.push([tenant, row.id, JSON.stringify(salts)])
  }
  if (cells.length === 0) return
  const columns = { tenant_id: 'text', event_id: 'text', salts: 'text' } as const
  await sql`insert into audit_salts (tenant_id, event_id, salts)
    select tenant_id, event_id, salts from ${rowSet(kind, columns, cells)}`.execute(db)
}
