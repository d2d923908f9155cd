import type { Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'

/** Wrapped tenant keys and sealed signing keys, oldest first. */
export function keysOf({ db, tenant }: Scope): TenantRows['keys'] {
  return {
    async tenantKeys() {
      const rows = await db
        .selectFrom('tenant_keys')
        .selectAll()
        .where('tenant_id', '=', tenant)
        .orderBy('created_at')
        .orderBy('id')
        .execute()
      return rows.map(row => ({ id: row.id, wrapped: row.wrapped, createdAt: row.created_at }))
    },
    async insertTenantKey({ id, wrapped, createdAt }) {
      await db.insertInto('tenant_keys').values({ tenant_id: tenant, id, wrapped, created_at: createdAt }).execute()
    },
    async signingKeys() {
      const rows = await db
        .selectFrom('signing_keys')
        .selectAll()
        .where('tenant_id', '=', tenant)
        .orderBy('created_at')
        .orderBy('kid')
        .execute()
      return rows.map(row => ({
        kid: row.kid,
        publicJwk: row.public_jwk,
        sealedPrivateJwk: row.sealed_private_jwk,
        createdAt: row.created_at,
      }))
    },
    async insertSigningKey(key) {
      await db
        .insertInto('signing_keys')
        .values({
          tenant_id: tenant,
          kid: key.kid,
          public_jwk: key.publicJwk,
          sealed_private_jwk: key.sealedPrivateJwk,
          created_at: key.createdAt,
        })
        .execute()
    },
  }
}
