import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { invalid } from '../../core/failure.ts'
import type { Kind, Schema } from './schema.ts'

/** Runs one statement on one connection. */
export type Execute = (query: CompiledQuery) => Promise<QueryResult<unknown>>

/** A query handle over one connection whose transaction somebody else begins and ends. */
export function handleOver(kind: Kind, execute: Execute): Kysely<Schema> {
  const connection: DatabaseConnection = {
    async executeQuery(query) {
      for (const value of query.parameters) if (typeof value === 'string') assertStorable(value)
      return (await execute(query)) as QueryResult<never>
    },
    streamQuery() {
      throw new TypeError('The store does not stream queries; it reads in pages')
    },
  }
  return new Kysely<Schema>({ dialect: dialectOver(kind, connection) })
}

/** PostgreSQL has no NUL in texts, and neither has a lone surrogate: refused for both, so that both hold the same. */
function assertStorable(text: string): void {
  if (text.includes('\0') || !text.isWellFormed()) {
    throw invalid('', 'Text here is Unicode without NUL characters and lone surrogates.')
  }
}

function dialectOver(kind: Kind, connection: DatabaseConnection): Dialect {
  return {
    createDriver: () => ({
      init: nothing,
      acquireConnection: async () => connection,
      beginTransaction: ownTransactions,
      commitTransaction: ownTransactions,
      rollbackTransaction: ownTransactions,
      releaseConnection: nothing,
      destroy: nothing,
    }),
    createAdapter: () => (kind === 'postgres' ? new PostgresAdapter() : new QueueingSqliteAdapter()),
    createQueryCompiler: () => (kind === 'postgres' ? new PostgresQueryCompiler() : new SqliteQueryCompiler()),
    createIntrospector: db => (kind === 'postgres' ? new PostgresIntrospector(db) : new SqliteIntrospector(db)),
  }
}

/** Our connections to SQLite take statements in order by themselves; Kysely's mutex would only add a turn to each. */
class QueueingSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

async function nothing(): Promise<void> {}

async function ownTransactions(): Promise<void> {
  throw new TypeError('Transactions of the store begin and end in asTenant, change and record')
}

/**
 * The statements of one transaction. After the first failure the rest is refused, in SQLite as PostgreSQL does it, and
 * after the end everything is: a handle that outlived its transaction would reach the connection's next tenant.
 */
export function guarded(execute: Execute): { execute: Execute; close(): void; readonly isFailed: boolean } {
  let isOpen = true
  let isFailed = false
  return {
    async execute(query) {
      if (!isOpen) throw new TypeError('These rows were used after their transaction had ended: await every query')
      if (isFailed) throw new TypeError('A statement of this transaction failed before: let it roll back')
      try {
        return await execute(query)
      } catch (error) {
        isFailed = true
        throw error
      }
    },
    close() {
      isOpen = false
    },
    get isFailed() {
      return isFailed
    },
  }
}
