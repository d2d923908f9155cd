import { Failure } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import { appendInTransaction, prepare } from './append.ts'
import { failureOf } from './database-failure.ts'
import { once } from './exclusive.ts'
import { handleOver } from './handle.ts'
import { assertOutsideChange, insideChange } from './inside-change.ts'
import { locatorOver } from './locator.ts'
import { schemaVersionOf } from './migrate-postgres.ts'
import { expectedVersion } from './migrations.ts'
import type { PostgresOptions, StoreParts } from './open-store.ts'
import { onClient, type PostgresPool, postgresPool } from './postgres-pool.ts'
import { recordQueue } from './record-queue.ts'
import { mayBypassRowSecurity, rowSecurityFault } from './row-security.ts'
import { insertTenant } from './rows/tenants.ts'
import type { Handle } from './schema.ts'
import type { Scope } from './scope.ts'
import type { Store } from './store.ts'
import { tenantRows } from './tenant-rows.ts'

/** PostgreSQL for production: many tenants apart by row security, several nodes, a schema that `migrate` made. */
export async function openPostgres(options: PostgresOptions, { random }: StoreParts): Promise<Store> {
  const pool = postgresPool({
    url: options.url,
    size: options.poolSize ?? 10,
    statementTimeoutMs: options.statementTimeoutMs ?? 10_000,
  })
  try {
    await check(pool, random, options.forServing ?? false)
  } catch (error) {
    await pool.close()
    const failure = failureOf(error)
    if (failure !== error && failure instanceof Failure) {
      // The only place where the reason is for the operator and not for a caller of the API.
      const reason = (error as Error).message || (error as { code?: string }).code
      throw new Failure('unavailable', `No connection to the database of DATABASE_URL: ${reason}`, { cause: error })
    }
    throw error
  }
  return storeOver(options, pool, random)
}

async function check(pool: PostgresPool, random: StoreParts['random'], forServing: boolean): Promise<void> {
  await pool.onConnection(async client => {
    const version = await schemaVersionOf(client)
    if (version === undefined || version < expectedVersion) {
      throw new Failure('unavailable', 'The database is not migrated. Run `valetkey migrate` first.')
    }
    if (version > expectedVersion) {
      throw new Failure(
        'unavailable',
        'The database was migrated by a newer Valetkey. Run that version, or a newer one.',
      )
    }
    if (!forServing) return
    if (await mayBypassRowSecurity(client)) {
      throw new Failure(
        'unavailable',
        'The role of DATABASE_URL can pass by row security. Use one that is neither superuser nor BYPASSRLS, nor a member of such a role.',
      )
    }
    const fault = await rowSecurityFault(client, random)
    if (fault !== undefined) {
      throw new Failure('unavailable', `Row security does not keep tenants apart: ${fault}. Run \`valetkey migrate\`.`)
    }
  })
}

function storeOver(options: PostgresOptions, pool: PostgresPool, random: StoreParts['random']): Store {
  const { headMac } = options
  const scopeOf = (tenant: TenantId, db: Handle, append: Scope['append']): Scope => ({
    kind: 'postgres',
    tenant,
    db,
    scan: db,
    append,
    ...(headMac && { headMac }),
  })
  const write = async <T>(tenant: TenantId, work: (db: Handle) => Promise<T>): Promise<T> => {
    try {
      return await pool.transaction('read write', tenant, work)
    } catch (error) {
      throw failureOf(error)
    }
  }
  const queue = recordQueue({
    kind: 'postgres',
    nodeId: options.nodeId,
    random,
    ...(headMac && { headMac }),
    ...(options.recordBound !== undefined && { bound: options.recordBound }),
    transaction: (tenant, work) => pool.transaction('read write', tenant, work),
  })

  return {
    kind: 'postgres',
    async asTenant(tenant, read) {
      try {
        return await pool.transaction('read only', tenant, db => read(tenantRows(scopeOf(tenant, db, refuseAppend))))
      } catch (error) {
        throw failureOf(error)
      }
    },
    async change(tenant, work) {
      assertOutsideChange()
      return write(tenant, db => {
        const append: Scope['append'] = events =>
          appendInTransaction(
            db,
            'postgres',
            tenant,
            'changes',
            events.map(event => prepare(event, tenant, random)),
            headMac,
          )
        return insideChange(() => work(tenantRows(scopeOf(tenant, db, append))))
      })
    },
    async record(tenant, entry) {
      assertOutsideChange()
      return queue.record(tenant, entry)
    },
    locator: locatorOver(async read => {
      try {
        return await pool.onConnection(client => read(handleOver('postgres', onClient(client))))
      } catch (error) {
        throw failureOf(error)
      }
    }),
    async createTenant(tenant) {
      assertOutsideChange()
      await write(tenant.id, db => insertTenant({ db }, tenant))
    },
    async health() {
      const found = await pool.onConnection(async client => ({
        schemaVersion: (await schemaVersionOf(client)) ?? 0,
        expectedSchemaVersion: expectedVersion,
        mayBypassRowSecurity: await mayBypassRowSecurity(client),
      }))
      return { ...found, ...(await proven(pool, random)) }
    },
    close: once(async () => {
      await queue.close()
      await pool.close()
    }),
  }
}

/** The proof writes a row into every table before it takes them back: it shows that the database takes writes, too. */
async function proven(pool: PostgresPool, random: StoreParts['random']) {
  try {
    const fault = await pool.onConnection(client => rowSecurityFault(client, random))
    return { rowSecurityProven: fault === undefined, isWritable: true }
  } catch {
    return { rowSecurityProven: false, isWritable: false }
  }
}

async function refuseAppend(): Promise<void> {
  throw new TypeError('Audit events are appended within change, or by record')
}
