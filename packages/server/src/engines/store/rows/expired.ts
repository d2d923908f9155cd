import type { Scope } from '../scope.ts'

/** Removes rows that mean nothing any more, at most `limit` of each table. Returns how many went. */
export async function sweepExpired({ db, tenant }: Scope, now: number, limit: number): Promise<number> {
  let gone = 0n
  const idempotency = await db
    .selectFrom('idempotency_keys')
    .select(['client_id', 'route', 'key_hash'])
    .where('tenant_id', '=', tenant)
    .where('expires_at', '<=', now)
    .limit(limit)
    .execute()
  for (const { client_id, route, key_hash } of idempotency) {
    const done = await db
      .deleteFrom('idempotency_keys')
      .where('tenant_id', '=', tenant)
      .where('client_id', '=', client_id)
      .where('route', '=', route)
      .where('key_hash', '=', key_hash)
      .executeTakeFirst()
    gone += done.numDeletedRows
  }
  const authorizations = await db
    .selectFrom('authorizations')
    .select(['model', 'id_hash'])
    .where('tenant_id', '=', tenant)
    .where('expires_at', '<=', now)
    .limit(limit)
    .execute()
  for (const { model, id_hash } of authorizations) {
    const done = await db
      .deleteFrom('authorizations')
      .where('tenant_id', '=', tenant)
      .where('model', '=', model)
      .where('id_hash', '=', id_hash)
      .executeTakeFirst()
    gone += done.numDeletedRows
  }
  const used = await db
    .selectFrom('used_once')
    .select(['purpose', 'key_hash'])
    .where('tenant_id', '=', tenant)
    .where('expires_at', '<=', now)
    .limit(limit)
    .execute()
  for (const { purpose, key_hash } of used) {
    const done = await db
      .deleteFrom('used_once')
      .where('tenant_id', '=', tenant)
      .where('purpose', '=', purpose)
      .where('key_hash', '=', key_hash)
      .executeTakeFirst()
    gone += done.numDeletedRows
  }
  return Number(gone)
}
