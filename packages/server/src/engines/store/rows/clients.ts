import type { Selectable } from 'kysely'
import type { Client } from '../../../core/client.ts'
import { notFound } from '../../../core/failure.ts'
import type { ClientId } from '../../../core/ids.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { parsed, present } from './present.ts'

/** Agents, apps and operators of a tenant. */
export function clientsOf(scope: Scope): TenantRows['clients'] {
  const { db, tenant } = scope
  const all = () => db.selectFrom('clients').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async list(kind, { limit, cursor }) {
      let query = all().where('kind', '=', kind)
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as ClientId)
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(client) {
      assertOwn(scope, client)
      await db.insertInto('clients').values(toRow(client)).execute()
    },
    async update(client) {
      assertOwn(scope, client)
      const { tenant_id, id, ...rest } = toRow(client)
      const done = await db
        .updateTable('clients')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('id', '=', id)
        .executeTakeFirst()
      if (done.numUpdatedRows === 0n) throw notFound()
    },
  }
}

type Row = Selectable<Schema['clients']>

function fromRow(row: Row): Client {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    kind: row.kind,
    name: row.name,
    description: row.description,
    authenticationMethod: row.authentication_method,
    secretHash: row.secret_hash,
    jwks: row.jwks === null ? null : parsed<NonNullable<Client['jwks']>>(row.jwks),
    scopes: parsed<string[]>(row.scopes),
    redirectUris: parsed<string[]>(row.redirect_uris),
    returnToUrls: parsed<string[]>(row.return_to_urls),
    user: row.user_id,
    ceiling: row.ceiling === null ? null : parsed<string[]>(row.ceiling),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    disabledAt: row.disabled_at,
    mac: row.mac,
  })
}

function toRow(client: Client): Row {
  return {
    tenant_id: client.tenant,
    id: client.id,
    kind: client.kind,
    name: client.name,
    description: client.description ?? null,
    authentication_method: client.authenticationMethod,
    secret_hash: client.secretHash ?? null,
    jwks: client.jwks === undefined ? null : JSON.stringify(client.jwks),
    scopes: JSON.stringify(client.scopes),
    redirect_uris: JSON.stringify(client.redirectUris),
    return_to_urls: JSON.stringify(client.returnToUrls),
    user_id: client.user ?? null,
    ceiling: client.ceiling === undefined ? null : JSON.stringify(client.ceiling),
    created_at: client.createdAt,
    updated_at: client.updatedAt,
    disabled_at: client.disabledAt ?? null,
    mac: client.mac,
  }
}
