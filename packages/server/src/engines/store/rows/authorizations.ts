import type { Selectable } from 'kysely'
import type { Schema } from '../schema.ts'
import type { Scope } from '../scope.ts'
import type { AuthorizationRow, TenantRows } from '../store.ts'
import { present } from './present.ts'

/** Rows of our authorization server, found by hashes only. */
export function authorizationsOf({ db, tenant }: Scope): TenantRows['authorizations'] {
  const all = () => db.selectFrom('authorizations').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(model, idHash) {
      const row = await all().where('model', '=', model).where('id_hash', '=', idHash).executeTakeFirst()
      return row && fromRow(row)
    },
    async byUid(model, uidHash) {
      const row = await all().where('model', '=', model).where('uid_hash', '=', uidHash).executeTakeFirst()
      return row && fromRow(row)
    },
    async upsert(row) {
      const rest = {
        payload: row.payload,
        uid_hash: row.uidHash ?? null,
        grant_hash: row.grantHash ?? null,
        expires_at: row.expiresAt ?? null,
      }
      await db
        .insertInto('authorizations')
        .values({
          tenant_id: tenant,
          model: row.model,
          id_hash: row.idHash,
          consumed_at: row.consumedAt ?? null,
          ...rest,
        })
        // `consumed_at` is left alone: only `consume` sets it, and nothing takes it back.
        .onConflict(conflict => conflict.columns(['tenant_id', 'model', 'id_hash']).doUpdateSet(rest))
        .execute()
    },
    async consume(model, idHash, at) {
      const done = await db
        .updateTable('authorizations')
        .set({ consumed_at: at })
        .where('tenant_id', '=', tenant)
        .where('model', '=', model)
        .where('id_hash', '=', idHash)
        .where('consumed_at', 'is', null)
        .executeTakeFirst()
      return done.numUpdatedRows === 1n
    },
    async delete(model, idHash) {
      await db
        .deleteFrom('authorizations')
        .where('tenant_id', '=', tenant)
        .where('model', '=', model)
        .where('id_hash', '=', idHash)
        .execute()
    },
    async deleteByGrant(grantHash) {
      await db
        .deleteFrom('authorizations')
        .where('tenant_id', '=', tenant)
        .where('grant_hash', '=', grantHash)
        .execute()
    },
    async once(purpose, keyHash, expiresAt) {
      const done = await db
        .insertInto('used_once')
        .values({ tenant_id: tenant, purpose, key_hash: keyHash, expires_at: expiresAt })
        .onConflict(conflict => conflict.doNothing())
        .executeTakeFirst()
      return done.numInsertedOrUpdatedRows === 1n
    },
  }
}

function fromRow(row: Selectable<Schema['authorizations']>): AuthorizationRow {
  return present({
    model: row.model,
    idHash: row.id_hash,
    payload: row.payload,
    uidHash: row.uid_hash,
    grantHash: row.grant_hash,
    consumedAt: row.consumed_at,
    expiresAt: row.expires_at,
  })
}
