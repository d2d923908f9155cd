import type { Selectable } from 'kysely'
import type { Credential } from '../../../core/connection.ts'
import type { TenantId } from '../../../core/ids.ts'
import type { Schema } from '../schema.ts'
import type { Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { present } from './present.ts'

/** Sealed tokens, one row a connection, moved on by compare-and-swap and refreshed under a lease (P5). */
export function credentialsOf({ db, tenant }: Scope): TenantRows['credentials'] {
  return {
    async get(connection) {
      const row = await db
        .selectFrom('credentials')
        .selectAll()
        .where('tenant_id', '=', tenant)
        .where('connection_id', '=', connection)
        .executeTakeFirst()
      return row && fromRow(row)
    },
    async insert(credential) {
      await db.insertInto('credentials').values(toRow(tenant, credential)).execute()
    },
    async replace(credential, expectedGeneration) {
      if (credential.generation <= expectedGeneration) {
        throw new TypeError('A credential is replaced by one of a later generation only')
      }
      const { tenant_id, connection_id, ...rest } = toRow(tenant, credential)
      const done = await db
        .updateTable('credentials')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('connection_id', '=', connection_id)
        .where('generation', '=', expectedGeneration)
        .executeTakeFirst()
      return done.numUpdatedRows === 1n
    },
    async claimLease({ connection, generation, holder, now, until }) {
      const done = await db
        .updateTable('credentials')
        .set({ lease_holder: holder, lease_until: until, lease_generation: generation })
        .where('tenant_id', '=', tenant)
        .where('connection_id', '=', connection)
        .where('generation', '=', generation)
        .where(is =>
          is.or([
            is('lease_holder', 'is', null),
            is('lease_holder', '=', holder),
            is('lease_until', 'is', null),
            is('lease_until', '<=', now),
            // A lease for a generation that is gone fences nothing any more.
            is('lease_generation', '<>', generation),
          ]),
        )
        .executeTakeFirst()
      return done.numUpdatedRows === 1n
    },
    async releaseLease({ connection, holder, failures, retryAt }) {
      await db
        .updateTable('credentials')
        .set({
          lease_holder: null,
          lease_until: null,
          lease_generation: null,
          refresh_failures: failures,
          refresh_retry_at: retryAt ?? null,
        })
        .where('tenant_id', '=', tenant)
        .where('connection_id', '=', connection)
        .where('lease_holder', '=', holder)
        .execute()
    },
    async erase(connection) {
      await db
        .deleteFrom('credentials')
        .where('tenant_id', '=', tenant)
        .where('connection_id', '=', connection)
        .execute()
    },
  }
}

type Row = Selectable<Schema['credentials']>

function fromRow(row: Row): Credential {
  return present({
    connection: row.connection_id,
    generation: row.generation,
    sealedAccessToken: row.sealed_access_token,
    sealedRefreshToken: row.sealed_refresh_token,
    destinationDigest: row.destination_digest,
    accessExpiresAt: row.access_expires_at,
    obtainedAt: row.obtained_at,
    lastRefreshedAt: row.last_refreshed_at,
    refreshFailures: row.refresh_failures,
    refreshRetryAt: row.refresh_retry_at,
    leaseHolder: row.lease_holder,
    leaseUntil: row.lease_until,
    leaseGeneration: row.lease_generation,
  })
}

function toRow(tenant: TenantId, credential: Credential): Row {
  return {
    tenant_id: tenant,
    connection_id: credential.connection,
    generation: credential.generation,
    sealed_access_token: credential.sealedAccessToken,
    sealed_refresh_token: credential.sealedRefreshToken ?? null,
    destination_digest: credential.destinationDigest,
    access_expires_at: credential.accessExpiresAt ?? null,
    obtained_at: credential.obtainedAt,
    last_refreshed_at: credential.lastRefreshedAt ?? null,
    refresh_failures: credential.refreshFailures,
    refresh_retry_at: credential.refreshRetryAt ?? null,
    lease_holder: credential.leaseHolder ?? null,
    lease_until: credential.leaseUntil ?? null,
    lease_generation: credential.leaseGeneration ?? null,
  }
}
