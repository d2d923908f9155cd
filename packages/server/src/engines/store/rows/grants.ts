import { type Selectable, sql } from 'kysely'
import { notFound } from '../../../core/failure.ts'
import type { Grant, GrantedResources, PathRule } from '../../../core/grant.ts'
import type { GrantId } from '../../../core/ids.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { parsed, present } from './present.ts'

/** What users let agents do. A grant is written once, spent by `record`, and ended once. */
export function grantsOf(scope: Scope): TenantRows['grants'] {
  const { db, tenant, scan } = scope
  const all = (from = db) => from.selectFrom('grants').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async of(agent, connection) {
      const rows = await all()
        .where('agent_id', '=', agent)
        .where('connection_id', '=', connection)
        .orderBy('id')
        .execute()
      return rows.map(fromRow)
    },
    async liveOfAgent(agent, now) {
      const rows = await all()
        .where('agent_id', '=', agent)
        .where('ended_at', 'is', null)
        .where('expires_at', '>', now)
        .orderBy('id')
        .execute()
      return rows.map(fromRow)
    },
    async list({ limit, cursor, user, agent, connection, task, status, now }) {
      // Filters that no index leads may pass over many rows.
      let query = all(scan)
      if (user !== undefined) query = query.where('user_id', '=', user)
      if (agent !== undefined) query = query.where('agent_id', '=', agent)
      if (connection !== undefined) query = query.where('connection_id', '=', connection)
      if (task !== undefined) query = query.where('task_id', '=', task)
      if (status !== undefined) query = query.where(sql<boolean>`${isLive(now)} = ${status === 'active' ? 1 : 0}`)
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as GrantId)
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(grant) {
      assertOwn(scope, grant)
      await db.insertInto('grants').values(toRow(grant)).execute()
    },
    async end(grant) {
      assertOwn(scope, grant)
      const { ended_at, ended_reason, mac } = toRow(grant)
      if (ended_at === null) throw new TypeError('A grant ends at a time')
      // Only once: what ended it first is what the record says.
      const done = await db
        .updateTable('grants')
        .set({ ended_at, ended_reason, mac })
        .where('tenant_id', '=', tenant)
        .where('id', '=', grant.id)
        .where('ended_at', 'is', null)
        .executeTakeFirst()
      if (done.numUpdatedRows === 1n) return true
      const there = await all().where('id', '=', grant.id).executeTakeFirst()
      if (there === undefined) throw notFound()
      return false
    },
    async overdue(now, limit) {
      const rows = await all(scan)
        .where('ended_at', 'is', null)
        .where(sql<boolean>`${isLive(now)} = 0`)
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(fromRow)
    },
  }
}

/** `endOf` of core/grant.ts in SQL: 1 while the grant is live. */
function isLive(now: number) {
  return sql<number>`case when ended_at is null and expires_at > ${now} and (max_calls is null or calls < max_calls)
    and (idle_timeout_seconds is null or coalesce(last_used_at, created_at) + idle_timeout_seconds * 1000 > ${now})
    then 1 else 0 end`
}

type Row = Selectable<Schema['grants']>

function fromRow(row: Row): Grant {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    user: row.user_id,
    agent: row.agent_id,
    connection: row.connection_id,
    permissions: parsed<string[]>(row.permissions),
    paths: parsed<PathRule[]>(row.paths),
    resources: row.resources === null ? null : parsed<GrantedResources>(row.resources),
    unattended: row.unattended === 1,
    task: row.task_id,
    grantedBy: row.granted_by,
    expiresAt: row.expires_at,
    idleTimeoutSeconds: row.idle_timeout_seconds,
    maxCalls: row.max_calls,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    endedReason: row.ended_reason,
    calls: row.calls,
    lastUsedAt: row.last_used_at,
    mac: row.mac,
  })
}

function toRow(grant: Grant): Row {
  return {
    tenant_id: grant.tenant,
    id: grant.id,
    user_id: grant.user ?? null,
    agent_id: grant.agent,
    connection_id: grant.connection,
    permissions: JSON.stringify(grant.permissions),
    paths: JSON.stringify(grant.paths),
    resources: grant.resources === undefined ? null : JSON.stringify(grant.resources),
    unattended: grant.unattended ? 1 : 0,
    task_id: grant.task ?? null,
    granted_by: grant.grantedBy,
    expires_at: grant.expiresAt,
    idle_timeout_seconds: grant.idleTimeoutSeconds ?? null,
    max_calls: grant.maxCalls ?? null,
    created_at: grant.createdAt,
    ended_at: grant.endedAt ?? null,
    ended_reason: grant.endedReason ?? null,
    calls: grant.calls,
    last_used_at: grant.lastUsedAt ?? null,
    mac: grant.mac,
  }
}
