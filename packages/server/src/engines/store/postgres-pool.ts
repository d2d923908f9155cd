import pg from 'pg'
import { isId, type TenantId } from '../../core/ids.ts'
import { type Execute, guarded, handleOver } from './handle.ts'
import type { Handle } from './schema.ts'

export interface PostgresPool {
  /** Work within one transaction; with a tenant, set for that transaction only. */
  transaction<T>(mode: 'read only' | 'read write', tenant: TenantId | undefined, work: Work<T>): Promise<T>
  /** One connection outside of a transaction, for the checks at start. Not reused when the work failed. */
  onConnection<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T>
  close(): Promise<void>
}

type Work<T> = (db: Handle) => Promise<T>

export interface PoolOptions {
  readonly url: string
  readonly size: number
  readonly statementTimeoutMs: number
}

/** `bigint` columns hold milliseconds and counts: as numbers, and never beyond what a number holds exactly. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8) return exactNumber
    return pg.types.getTypeParser(oid, format)
  },
} as pg.CustomTypesConfig

function exactNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('A number in the database is larger than any that we write')
  return value
}

/** Connection settings that our pool and the migrations share. */
export function connectionConfig(url: string, statementTimeoutMs: number): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'valetkey',
    connectionTimeoutMillis: 5000,
    statement_timeout: statementTimeoutMs,
    keepAlive: true,
    types,
  }
}

export function postgresPool({ url, size, statementTimeoutMs }: PoolOptions): PostgresPool {
  if (size < 2) throw new TypeError('The store needs two connections at least')
  const pool = new pg.Pool({
    ...connectionConfig(url, statementTimeoutMs),
    max: size,
    // Our own clock in case that the server's does not run any more.
    query_timeout: statementTimeoutMs + 5000,
    lock_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: 60_000,
  })
  // A connection that breaks while nobody waits on it is replaced; without a listener it would end the process.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  // A writer may read through the pool (keys of the vault): writers never take the last connection.
  const mayWrite = places(size - 1)

  async function transaction<T>(
    mode: 'read only' | 'read write',
    tenant: TenantId | undefined,
    work: Work<T>,
  ): Promise<T> {
    const client = await pool.connect()
    const guard = guarded(onClient(client))
    let isClean = false
    try {
      await client.query(beginFor(mode, tenant))
      const value = await work(handleOver('postgres', guard.execute))
      guard.close()
      const { command } = await client.query('commit')
      // PostgreSQL ends a failed transaction with this word instead of an error.
      if (command === 'ROLLBACK') throw new TypeError('A statement of this change failed and its error was swallowed')
      isClean = true
      return value
    } catch (error) {
      guard.close()
      isClean = await client.query('rollback').then(
        () => true,
        () => false,
      )
      throw error
    } finally {
      // A connection whose transaction may still be open would carry its tenant to the next caller.
      client.release(!isClean)
    }
  }

  return {
    transaction: (mode, tenant, work) =>
      mode === 'read only' ? transaction(mode, tenant, work) : mayWrite(() => transaction(mode, tenant, work)),
    async onConnection(work) {
      const client = await pool.connect()
      let isClean = false
      try {
        const value = await work(client)
        isClean = true
        return value
      } finally {
        client.release(!isClean)
      }
    },
    close: () => pool.end(),
  }
}

/** One round trip. The tenant's form is checked, since this text has no place for parameters. */
function beginFor(mode: 'read only' | 'read write', tenant: TenantId | undefined): string {
  if (tenant === undefined) return `begin ${mode}`
  if (!isId('ten', tenant)) throw new TypeError('This is no id of a tenant')
  return `begin ${mode}; select set_config('valetkey.tenant', '${tenant}', true)`
}

/** Statements on one connection. */
export function onClient(client: pg.ClientBase): Execute {
  return async ({ sql, parameters }) => {
    const { rows, rowCount, command } = await client.query(sql, [...parameters])
    return { rows, ...(command !== 'SELECT' && { numAffectedRows: BigInt(rowCount ?? 0) }) }
  }
}

/** At most so many at once; others wait for their turn. */
function places(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let left = count
  return async work => {
    if (left > 0) left--
    else await new Promise<void>(resolve => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else left++
    }
  }
}
