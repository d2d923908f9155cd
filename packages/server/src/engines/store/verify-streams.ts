import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { emptyHead, headTuple, type StreamHead, verifyStream } from '../../core/audit/chain.ts'
import type { AuditRow, Salts } from '../../core/audit/record.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import type { Scope } from './scope.ts'
import type { AuditVerdict } from './store.ts'

/** Rows hashed in one go: about 5 ms, which is what the event loop may be held for. */
const batchSize = 200

/**
 * Walks every stream of a tenant in order. Streams that only rows name, or only heads, are walked too: a head whose rows
 * are gone, and rows whose head is gone, are faults. A stream is verified up to where it stood when its turn came.
 */
export async function verifyStreams(scope: Scope): Promise<AuditVerdict> {
  const streams = await streamsOf(scope)
  const heads: (string | number)[] = ['valetkey audit heads 1', scope.tenant]
  let events = 0
  for (const stream of streams) {
    const verdict = await verifyOne(scope, stream)
    if (!verdict.ok) return verdict
    events += verdict.at.seq
    heads.push(stream, verdict.at.seq, verdict.at.head)
  }
  return { ok: true, events, head: createHash('sha256').update(lengthPrefixed(heads)).digest('hex') }
}

/** Jumps from stream to stream in the index: there are few of them and many rows. */
async function streamsOf({ scan, tenant }: Scope): Promise<string[]> {
  const { rows } = await sql<{ stream: string }>`with recursive found(stream) as (
      select min(stream) from audit_events where tenant_id = ${tenant}
      union all
      select (select min(e.stream) from audit_events e where e.tenant_id = ${tenant} and e.stream > found.stream)
      from found where found.stream is not null
    )
    select stream from found where stream is not null
    union select stream from audit_streams where tenant_id = ${tenant}`.execute(scan)
  return rows.map(row => row.stream).sort()
}

type StreamVerdict = { readonly ok: true; readonly at: StreamHead } | Extract<AuditVerdict, { ok: false }>

async function verifyOne(scope: Scope, stream: string): Promise<StreamVerdict> {
  const verifier = verifyStream({ tenant: scope.tenant, stream, seq: 0, head: emptyHead })
  const { stored, headMac, lastSeq } = await headOf(scope, stream)
  const upTo = Math.max(stored?.seq ?? 0, lastSeq)
  for (let isMore = true; isMore; ) {
    const rows = await rowsBetween(scope, stream, verifier.at.seq, upTo)
    isMore = rows.length === batchSize
    for (const { row, salts } of rows) {
      const verdict = verifier.next(row, salts)
      if (!verdict.ok) return verdict
    }
  }
  const verdict = verifier.finish(stored)
  if (!verdict.ok) return verdict
  if (stored !== undefined && !(await isMacGood(scope, stored, headMac))) {
    const detail = `The stored head of stream ${stream} was not written by us`
    return { ok: false, event: await eventAt(scope, stored), reason: 'head_mismatch', detail }
  }
  return { ok: true, at: verifier.at }
}

/** Head and last row by one statement, so that both are of the same moment. */
async function headOf({ scan, tenant }: Scope, stream: string) {
  const { rows } = await sql<{ seq: number | null; head: string | null; head_mac: string | null; last: number | null }>`
    select s.seq as seq, s.head as head, s.head_mac as head_mac,
      (select max(e.seq) from audit_events e where e.tenant_id = ${tenant} and e.stream = ${stream}) as last
    from (select 1 as one) as o left join audit_streams s on s.tenant_id = ${tenant} and s.stream = ${stream}`.execute(
    scan,
  )
  const { seq, head, head_mac, last } = rows[0]!
  const stored: StreamHead | undefined = seq === null || head === null ? undefined : { tenant, stream, seq, head }
  return { stored, headMac: head_mac, lastSeq: last ?? 0 }
}

async function isMacGood({ headMac, tenant }: Scope, stored: StreamHead, mac: string | null): Promise<boolean> {
  // A stream that was opened and not yet written to has an empty head and nothing to protect.
  if (headMac === undefined || stored.seq === 0) return true
  return mac !== null && (await headMac.isGood(tenant, headTuple(stored), mac))
}

async function eventAt({ scan, tenant }: Scope, { stream, seq }: StreamHead): Promise<string> {
  const row = await scan
    .selectFrom('audit_events')
    .select('id')
    .where('tenant_id', '=', tenant)
    .where('stream', '=', stream)
    .where('seq', '=', seq)
    .executeTakeFirst()
  return row?.id ?? ''
}

async function rowsBetween({ scan, tenant }: Scope, stream: string, after: number, upTo: number) {
  const rows = await scan
    .selectFrom('audit_events as e')
    .leftJoin('audit_salts as s', join =>
      join.onRef('s.tenant_id', '=', 'e.tenant_id').onRef('s.event_id', '=', 'e.id'),
    )
    .selectAll('e')
    .select('s.salts')
    .where('e.tenant_id', '=', tenant)
    .where('e.stream', '=', stream)
    .where('e.seq', '>', after)
    .where('e.seq', '<=', upTo)
    .orderBy('e.seq')
    .limit(batchSize)
    .execute()
  return rows.map(({ salts, ...row }) => ({ row: row as AuditRow, salts: saltsOf(salts) }))
}

function saltsOf(text: string | null): Salts {
  if (text === null) return {}
  try {
    return Object(JSON.parse(text)) as Salts
  } catch {
    // Not what we wrote: the commitments will not fit, and that is the verdict.
    return {}
  }
}
