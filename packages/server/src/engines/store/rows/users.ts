import type { Selectable } from 'kysely'
import { notFound } from '../../../core/failure.ts'
import type { User } from '../../../core/user.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { present } from './present.ts'

/** The people of a tenant. */
export function usersOf(scope: Scope): TenantRows['users'] {
  const { db, tenant } = scope
  const all = () => db.selectFrom('users').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      return found(await all().where('id', '=', id).executeTakeFirst())
    },
    async byExternalId(externalId) {
      return found(await all().where('external_id', '=', externalId).executeTakeFirst())
    },
    async list({ limit, cursor }) {
      let query = all()
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as User['id'])
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(user) {
      assertOwn(scope, user)
      await db.insertInto('users').values(toRow(user)).execute()
    },
    async update(user) {
      assertOwn(scope, user)
      const { tenant_id, id, ...rest } = toRow(user)
      const done = await db
        .updateTable('users')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('id', '=', id)
        .executeTakeFirst()
      if (done.numUpdatedRows === 0n) throw notFound()
    },
  }
}

type Row = Selectable<Schema['users']>

function found(row: Row | undefined): User | undefined {
  return row && fromRow(row)
}

function fromRow(row: Row): User {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    externalId: row.external_id,
    displayName: row.display_name,
    email: row.email,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    mac: row.mac,
  })
}

function toRow(user: User): Row {
  return {
    tenant_id: user.tenant,
    id: user.id,
    external_id: user.externalId,
    display_name: user.displayName ?? null,
    email: user.email ?? null,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
    mac: user.mac ?? null,
  }
}
