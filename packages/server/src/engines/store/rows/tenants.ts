import type { Tenant } from '../../../core/tenant.ts'
import type { Scope } from '../scope.ts'
import { present } from './present.ts'

export async function readTenant({ db, tenant }: Scope): Promise<Tenant | undefined> {
  const row = await db.selectFrom('tenants').selectAll().where('tenant_id', '=', tenant).executeTakeFirst()
  return row && present({ id: row.tenant_id, slug: row.slug, name: row.name, createdAt: row.created_at })
}

export async function insertTenant({ db }: Pick<Scope, 'db'>, tenant: Tenant): Promise<void> {
  const { id: tenant_id, slug = null, name, createdAt: created_at } = tenant
  await db.insertInto('tenants').values({ tenant_id, slug, name, created_at }).execute()
  await db
    .insertInto('locator')
    .values(slug === null ? { kind: 'first', key: '', tenant_id } : { kind: 'slug', key: slug, tenant_id })
    .execute()
}
