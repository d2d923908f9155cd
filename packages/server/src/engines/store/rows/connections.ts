import type { Selectable } from 'kysely'
import type { Connection } from '../../../core/connection.ts'
import { notFound } from '../../../core/failure.ts'
import type { ConnectionId } from '../../../core/ids.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { parsed, present } from './present.ts'

/** Authorised accounts of a tenant's users. */
export function connectionsOf(scope: Scope): TenantRows['connections'] {
  const { db, tenant, scan } = scope
  const all = (from = db) => from.selectFrom('connections').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async list({ limit, cursor, user, integration, provider, status, among }) {
      if (among?.length === 0) return { rows: [] }
      // Filters that no index leads may pass over many rows.
      let query = all(scan)
      if (user !== undefined) query = query.where('user_id', '=', user)
      if (integration !== undefined) query = query.where('integration_id', '=', integration)
      if (provider !== undefined) query = query.where('provider', '=', provider)
      // What was disconnected is left out unless it is asked for (CONTRACT 6).
      query = status === undefined ? query.where('status', '<>', 'revoked') : query.where('status', '=', status)
      if (among !== undefined) query = query.where('id', 'in', among)
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as ConnectionId)
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(connection) {
      assertOwn(scope, connection)
      await db.insertInto('connections').values(toRow(connection)).execute()
    },
    async update(connection) {
      assertOwn(scope, connection)
      // `last_used_at` moves by `touch` alone: a value read a while ago must not set it back.
      const { tenant_id, id, last_used_at: _, ...rest } = toRow(connection)
      const done = await db
        .updateTable('connections')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('id', '=', id)
        .executeTakeFirst()
      if (done.numUpdatedRows === 0n) throw notFound()
    },
    async touch(id, at) {
      await db
        .updateTable('connections')
        .set({ last_used_at: at })
        .where('tenant_id', '=', tenant)
        .where('id', '=', id)
        .where(is => is.or([is('last_used_at', 'is', null), is('last_used_at', '<', at)]))
        .execute()
    },
    async markIntegration(id, status, reason, at) {
      // Not what is over or switched off: it must not come back to life by a change of destinations.
      const rows = await db
        .updateTable('connections')
        .set({ status, reason, updated_at: at })
        .where('tenant_id', '=', tenant)
        .where('integration_id', '=', id)
        .where('status', 'in', ['active', 'error', 'needs_reauth'])
        .where(is => is.or([is('status', '<>', status), is('reason', 'is', null), is('reason', '<>', reason)]))
        .returning('id')
        .execute()
      return rows.map(row => row.id).sort()
    },
    async sameAccount(integration, accountId) {
      const rows = await all()
        .where('integration_id', '=', integration)
        .where('account_id', '=', accountId)
        .where('status', '<>', 'revoked')
        .orderBy('id')
        .execute()
      return rows.map(fromRow)
    },
  }
}

type Row = Selectable<Schema['connections']>

function fromRow(row: Row): Connection {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    user: row.user_id,
    integration: row.integration_id,
    provider: row.provider,
    status: row.status,
    reason: row.reason,
    accountId: row.account_id,
    accountLabel: row.account_label,
    scopes: parsed<string[]>(row.scopes),
    requestedScopes: parsed<string[]>(row.requested_scopes),
    kind: row.kind,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastUsedAt: row.last_used_at,
  })
}

function toRow(connection: Connection): Row {
  return {
    tenant_id: connection.tenant,
    id: connection.id,
    user_id: connection.user ?? null,
    integration_id: connection.integration,
    provider: connection.provider,
    status: connection.status,
    reason: connection.reason ?? null,
    account_id: connection.accountId ?? null,
    account_label: connection.accountLabel ?? null,
    scopes: JSON.stringify(connection.scopes),
    requested_scopes: JSON.stringify(connection.requestedScopes),
    kind: connection.kind,
    created_at: connection.createdAt,
    updated_at: connection.updatedAt,
    last_used_at: connection.lastUsedAt ?? null,
  }
}
