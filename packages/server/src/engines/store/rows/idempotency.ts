import type { Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { present } from './present.ts'

/** Answers to requests that carried an idempotency key. */
export function idempotencyOf({ db, tenant }: Scope): TenantRows['idempotency'] {
  return {
    async get(client, route, keyHash) {
      const row = await db
        .selectFrom('idempotency_keys')
        .selectAll()
        .where('tenant_id', '=', tenant)
        .where('client_id', '=', client)
        .where('route', '=', route)
        .where('key_hash', '=', keyHash)
        .executeTakeFirst()
      if (row === undefined) return undefined
      return present({
        client: row.client_id,
        route: row.route,
        keyHash: row.key_hash,
        bodyHash: row.body_hash,
        status: row.status,
        answer: row.answer,
        location: row.location,
        expiresAt: row.expires_at,
      })
    },
    async insert(row, now) {
      if (now !== undefined) {
        await db
          .deleteFrom('idempotency_keys')
          .where('tenant_id', '=', tenant)
          .where('client_id', '=', row.client)
          .where('route', '=', row.route)
          .where('key_hash', '=', row.keyHash)
          .where('expires_at', '<=', now)
          .execute()
      }
      const done = await db
        .insertInto('idempotency_keys')
        .values({
          tenant_id: tenant,
          client_id: row.client,
          route: row.route,
          key_hash: row.keyHash,
          body_hash: row.bodyHash,
          status: row.status,
          answer: row.answer,
          location: row.location ?? null,
          expires_at: row.expiresAt,
        })
        .onConflict(conflict => conflict.doNothing())
        .executeTakeFirst()
      return done.numInsertedOrUpdatedRows === 1n
    },
  }
}
