import { randomBytes } from 'node:crypto'
import type { Random } from './append.ts'
import type { HeadMac } from './head-mac.ts'
import { openPostgres } from './postgres-store.ts'
import { openSqlite } from './sqlite-store.ts'
import type { Store } from './store.ts'

export type StoreOptions = SqliteOptions | PostgresOptions

interface CommonOptions {
  /** Names this node's stream of the audit log. Two running nodes never share one. */
  readonly nodeId: string
  /** Given: heads of the audit log are maced, and `verify` demands good ones. */
  readonly headMac?: HeadMac
  /** Entries of `record` that may wait at once; `recordQueueBound` when left out. */
  readonly recordBound?: number
}

export interface SqliteOptions extends CommonOptions {
  readonly kind: 'sqlite'
  /** The data folder, which is there already; the database in it is `valetkey.db`. */
  readonly folder: string
  /** Refuse a folder without a database instead of making one. */
  readonly mustExist?: boolean
}

export interface PostgresOptions extends CommonOptions {
  readonly kind: 'postgres'
  readonly url: string
  /** Connections of this process; 10 when left out, 2 at least. */
  readonly poolSize?: number
  /** Refuse a role that can pass by row security, and run only after row security was proven. */
  readonly forServing?: boolean
  readonly statementTimeoutMs?: number
}

/** What the world gives. Both have the real thing as default. */
export interface StoreParts {
  readonly random: Random
  readonly now: () => number
}

/** Opens the store that the options name. Throws a Failure that says what to do when it cannot be used. */
export function openStore(options: StoreOptions, parts: Partial<StoreParts> = {}): Promise<Store> {
  const whole = { random: parts.random ?? randomBytes, now: parts.now ?? Date.now }
  return options.kind === 'sqlite' ? openSqlite(options, whole) : openPostgres(options, whole)
}
