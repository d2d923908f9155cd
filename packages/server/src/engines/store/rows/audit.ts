import { sql } from 'kysely'
import { type AuditRow, fromRow } from '../../../core/audit/record.ts'
import { idForm, keysOf, pageOf, timeForm } from '../cursor.ts'
import type { Handle } from '../schema.ts'
import type { Scope } from '../scope.ts'
import type { AuditFilter, TenantRows } from '../store.ts'
import { verifyStreams } from '../verify-streams.ts'

/** The audit log of a tenant: appended to, read and verified, never changed. */
export function auditOf(scope: Scope): TenantRows['audit'] {
  const { db, tenant, kind, scan } = scope
  return {
    append: scope.append,
    async get(id) {
      const row = await db
        .selectFrom('audit_events')
        .selectAll()
        .where('tenant_id', '=', tenant)
        .where('id', '=', id)
        .executeTakeFirst()
      return row && fromRow(row as AuditRow)
    },
    async query({ limit, cursor, ...filter }) {
      let query = filtered(scan, filter).where('tenant_id', '=', tenant)
      if (filter.resource !== undefined) {
        // A list of ids is canonical JSON: an id is in it exactly if its JSON text is.
        const place = kind === 'postgres' ? sql`strpos` : sql`instr`
        query = query.where(sql<boolean>`${place}(resource_ids, ${JSON.stringify(filter.resource)}) > 0`)
      }
      if (cursor !== undefined) {
        const [time, id] = keysOf(cursor, [timeForm, idForm])
        query = query.where(is => is.or([is('time', '<', time!), is.and([is('time', '=', time!), is('id', '<', id!)])]))
      }
      const rows = await query
        .orderBy('time', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute()
      return pageOf(rows as AuditRow[], limit, fromRow, row => [row.time, row.id])
    },
    verify: () => verifyStreams(scope),
  }
}

/** Filters that are columns of the table. */
const columns = {
  user: 'user',
  agent: 'agent',
  app: 'app',
  connection: 'connection',
  provider: 'provider',
  resourceType: 'resource_type',
  action: 'action',
  type: 'type',
  outcome: 'outcome',
  task: 'task',
  request: 'request_id',
} as const satisfies Partial<Record<keyof AuditFilter, keyof AuditRow>>

function filtered(scan: Handle, filter: AuditFilter) {
  let query = scan.selectFrom('audit_events').selectAll()
  for (const [name, column] of Object.entries(columns)) {
    const value = filter[name as keyof typeof columns]
    if (value !== undefined) query = query.where(column, '=', value)
  }
  if (filter.since !== undefined) query = query.where('time', '>=', new Date(filter.since).toISOString())
  if (filter.until !== undefined) query = query.where('time', '<', new Date(filter.until).toISOString())
  return query
}
