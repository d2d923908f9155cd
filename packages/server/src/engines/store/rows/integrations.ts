import type { Selectable } from 'kysely'
import { notFound } from '../../../core/failure.ts'
import type { IntegrationId } from '../../../core/ids.ts'
import type { Integration, Overrides } from '../../../core/integration.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { parsed, present } from './present.ts'

/** A tenant's OAuth clients at providers. */
export function integrationsOf(scope: Scope): TenantRows['integrations'] {
  const { db, tenant } = scope
  const all = () => db.selectFrom('integrations').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async list({ limit, cursor, provider }) {
      let query = all()
      if (provider !== undefined) query = query.where('provider', '=', provider)
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as IntegrationId)
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(integration) {
      assertOwn(scope, integration)
      await db.insertInto('integrations').values(toRow(integration)).execute()
    },
    async update(integration) {
      assertOwn(scope, integration)
      const { tenant_id, id, ...rest } = toRow(integration)
      const done = await db
        .updateTable('integrations')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('id', '=', id)
        .executeTakeFirst()
      if (done.numUpdatedRows === 0n) throw notFound()
    },
  }
}

type Row = Selectable<Schema['integrations']>

function fromRow(row: Row): Integration {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    provider: row.provider,
    name: row.name,
    clientId: row.client_id,
    sealedClientSecret: row.sealed_client_secret,
    sealedPrivateKey: row.sealed_private_key,
    scopes: parsed<string[]>(row.scopes),
    parameters: parsed<Record<string, string>>(row.parameters),
    overrides: parsed<Overrides>(row.overrides),
    destinationDigest: row.destination_digest,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })
}

function toRow(integration: Integration): Row {
  return {
    tenant_id: integration.tenant,
    id: integration.id,
    provider: integration.provider,
    name: integration.name,
    client_id: integration.clientId ?? null,
    sealed_client_secret: integration.sealedClientSecret ?? null,
    sealed_private_key: integration.sealedPrivateKey ?? null,
    scopes: JSON.stringify(integration.scopes),
    parameters: JSON.stringify(integration.parameters),
    overrides: JSON.stringify(integration.overrides),
    destination_digest: integration.destinationDigest,
    created_at: integration.createdAt,
    updated_at: integration.updatedAt,
  }
}
