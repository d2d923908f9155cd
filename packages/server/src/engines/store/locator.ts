import type { Handle } from './schema.ts'
import type { Locator } from './store.ts'

/** Looks up tenants before one is known; `run` gives a connection without a tenant. */
export function locatorOver(run: <T>(read: (db: Handle) => Promise<T>) => Promise<T>): Locator {
  return {
    tenantBySlug: slug =>
      run(async db => {
        const row = await db
          .selectFrom('locator')
          .select('tenant_id')
          .where('kind', '=', 'slug')
          .where('key', '=', slug)
          .executeTakeFirst()
        return row?.tenant_id
      }),
    firstTenant: () =>
      run(async db => {
        const row = await db.selectFrom('locator').select('tenant_id').where('kind', '=', 'first').executeTakeFirst()
        return row?.tenant_id
      }),
    tenants: () =>
      run(async db => {
        const rows = await db.selectFrom('locator').selectAll().orderBy('tenant_id').execute()
        return rows.map(row => ({ id: row.tenant_id, ...(row.kind === 'slug' && { slug: row.key }) }))
      }),
  }
}
