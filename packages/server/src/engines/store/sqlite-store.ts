import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { CompiledQuery } from 'kysely'
import { Failure } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import { appendInTransaction, prepare } from './append.ts'
import { failureOf } from './database-failure.ts'
import { exclusive, once } from './exclusive.ts'
import { lockFolder, ownFile } from './folder-lock.ts'
import { type Execute, guarded, handleOver } from './handle.ts'
import { assertOutsideChange, insideChange } from './inside-change.ts'
import { locatorOver } from './locator.ts'
import { expectedVersion, spelled, stepsFrom, versionTable } from './migrations.ts'
import type { SqliteOptions, StoreParts } from './open-store.ts'
import { recordQueue, streamOfNode } from './record-queue.ts'
import { insertTenant } from './rows/tenants.ts'
import type { Handle } from './schema.ts'
import type { Scope } from './scope.ts'
import { sqliteAppend } from './sqlite-append.ts'
import { type StatementResult, sqliteStatements, type Value } from './sqlite-statements.ts'
import { type SqliteThread, sqliteThread } from './sqlite-thread.ts'
import type { Store } from './store.ts'
import { tenantRows } from './tenant-rows.ts'

/** The embedded database: one file, one process, one tenant. Migrates itself. */
export async function openSqlite(options: SqliteOptions, { random, now }: StoreParts): Promise<Store> {
  const path = join(options.folder, 'valetkey.db')
  if (!existsSync(options.folder)) throw new Failure('unavailable', `There is no data folder ${options.folder}`)
  if (options.mustExist && !existsSync(path)) {
    throw new Failure('unavailable', `There is no database in ${options.folder}. Run \`valetkey init\` first.`)
  }
  const opened: { close(): unknown }[] = []
  try {
    const lock = lockFolder(options.folder)
    opened.push({ close: () => lock.release() })
    ownFile(path)
    const writer = sqliteThread({ path, readOnly: false })
    opened.push(writer)
    await migrate(writer, now)
    const inPlace = new DatabaseSync(path, { readOnly: true, timeout: 2000 })
    opened.push(inPlace)
    return storeOver(options, { random, writer, scanner: lateThread(path), inPlace, lock })
  } catch (error) {
    for (const one of opened.reverse()) await one.close()
    if (error instanceof Failure && error.cause === undefined) throw error
    const { message, cause } = error as Error
    const reason = cause instanceof Error ? cause.message : message
    throw new Failure('unavailable', `The database in ${options.folder} cannot be opened: ${reason}`, { cause: error })
  }
}

interface Parts extends Pick<StoreParts, 'random'> {
  readonly writer: SqliteThread
  readonly scanner: Pick<SqliteThread, 'run' | 'close'>
  readonly inPlace: DatabaseSync
  readonly lock: { release(): void }
}

function storeOver(options: SqliteOptions, { random, writer, scanner, inPlace, lock }: Parts): Store {
  const { headMac } = options
  const oneAtATime = exclusive()
  const runInPlace = sqliteStatements(inPlace)
  const db = handleOver('sqlite', async query => resultOf(runInPlace(query.sql, valuesOf(query))))
  const scan = handleOver('sqlite', onThread(scanner))

  function transaction<T>(work: (handle: Handle) => Promise<T>): Promise<T> {
    return oneAtATime(async () => {
      const guard = guarded(onThread(writer))
      try {
        await writer.run('begin immediate')
        const value = await work(handleOver('sqlite', guard.execute))
        if (guard.isFailed) throw new TypeError('A statement of this change failed and its error was swallowed')
        guard.close()
        await writer.run('commit')
        return value
      } catch (error) {
        guard.close()
        // The reason is what the caller has to see, not that there was nothing to roll back.
        await writer.run('rollback').catch(() => {})
        throw failureOf(error)
      }
    })
  }

  const queue = recordQueue({
    kind: 'sqlite',
    nodeId: options.nodeId,
    random,
    ...(headMac && { headMac }),
    ...(options.recordBound !== undefined && { bound: options.recordBound }),
    transaction: (_tenant, work) => transaction(work),
    appendWhole: sqliteAppend({
      stream: streamOfNode(options.nodeId),
      ...(headMac && { headMac }),
      writer,
      oneAtATime,
      readHead: (tenant, stream) =>
        runInPlace(readHead, [tenant, stream]).rows[0] as { seq: number; head: string } | undefined,
    }),
  })

  const scopeOf = (tenant: TenantId, handles: { db: Handle; scan: Handle }, append: Scope['append']): Scope => ({
    kind: 'sqlite',
    tenant,
    ...handles,
    append,
    ...(headMac && { headMac }),
  })

  return {
    kind: 'sqlite',
    async asTenant(tenant, read) {
      try {
        return await read(tenantRows(scopeOf(tenant, { db, scan }, appendOutsideChange)))
      } catch (error) {
        throw failureOf(error)
      }
    },
    async change(tenant, work) {
      assertOutsideChange()
      return transaction(handle =>
        insideChange(() =>
          work(
            tenantRows(
              scopeOf(tenant, { db: handle, scan: handle }, events =>
                appendInTransaction(
                  handle,
                  'sqlite',
                  tenant,
                  'changes',
                  events.map(event => prepare(event, tenant, random)),
                  headMac,
                ),
              ),
            ),
          ),
        ),
      )
    },
    async record(tenant, entry) {
      assertOutsideChange()
      return queue.record(tenant, entry)
    },
    locator: locatorOver(async read => {
      try {
        return await read(db)
      } catch (error) {
        throw failureOf(error)
      }
    }),
    async createTenant(tenant) {
      assertOutsideChange()
      await transaction(async handle => {
        const other = await handle.selectFrom('tenants').select('tenant_id').executeTakeFirst()
        if (other !== undefined) {
          throw new Failure('conflict', 'The embedded database holds one tenant. Use PostgreSQL for more.')
        }
        await insertTenant({ db: handle }, tenant)
      })
    },
    async health() {
      return {
        schemaVersion: versionFrom(await scanner.run(readVersion)),
        expectedSchemaVersion: expectedVersion,
        mayBypassRowSecurity: false,
        // One tenant, one file: there is nobody to be kept apart from.
        rowSecurityProven: true,
        isWritable: await isWritable(transaction),
      }
    },
    close: once(async () => {
      await queue.close()
      await oneAtATime(async () => {})
      inPlace.close()
      await scanner.close()
      await writer.close()
      lock.release()
    }),
  }
}

/** The thread for scans starts with the first of them: an idle server does without its memory. */
function lateThread(path: string): Pick<SqliteThread, 'run' | 'close'> {
  let thread: SqliteThread | undefined
  return {
    run(text, values) {
      thread ??= sqliteThread({ path, readOnly: true })
      return thread.run(text, values)
    },
    async close() {
      await thread?.close()
    },
  }
}

const readHead = 'select seq, head from audit_streams where tenant_id = ? and stream = ?'

const readVersion = 'select max(version) as version from schema_version'

function versionFrom({ rows }: StatementResult): number {
  return (rows[0] as { version: number | null }).version ?? 0
}

async function migrate(writer: SqliteThread, now: () => number): Promise<void> {
  await writer.run('begin immediate')
  try {
    await writer.run(spelled('sqlite', versionTable))
    for (const { version, statements } of stepsFrom(versionFrom(await writer.run(readVersion)))) {
      for (const statement of statements) await writer.run(spelled('sqlite', statement))
      await writer.run('insert into schema_version (version, applied_at) values (?, ?)', [version, now()])
    }
    await writer.run('commit')
  } catch (error) {
    await writer.run('rollback').catch(() => {})
    throw error
  }
}

class TakenBack extends Error {}

async function isWritable(transaction: <T>(work: (db: Handle) => Promise<T>) => Promise<T>): Promise<boolean> {
  try {
    await transaction(async db => {
      await db
        .insertInto('locator')
        .values({ kind: 'slug', key: '', tenant_id: '' as TenantId })
        .execute()
      throw new TakenBack()
    })
  } catch (error) {
    return error instanceof TakenBack
  }
  return false
}

async function appendOutsideChange(): Promise<void> {
  throw new TypeError('Audit events are appended within change, or by record')
}

function onThread(thread: Pick<SqliteThread, 'run'>): Execute {
  return async query => resultOf(await thread.run(query.sql, valuesOf(query)))
}

function valuesOf(query: CompiledQuery): Value[] {
  return query.parameters as Value[]
}

function resultOf({ rows, changes }: StatementResult) {
  return { rows, numAffectedRows: BigInt(changes) }
}
