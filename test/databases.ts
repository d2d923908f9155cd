import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { migratePostgres } from '../packages/server/src/engines/store/migrate-postgres.ts'
import { openStore, type StoreOptions } from '../packages/server/src/engines/store/open-store.ts'
import type { Store } from '../packages/server/src/engines/store/store.ts'
import { serverVariable } from './global-setup.ts'
import { createDatabase, type PostgresServer } from './postgres-server.ts'

/** What a test may set of the store it opens. */
export type TestOptions = Partial<Pick<StoreOptions, 'nodeId' | 'headMac' | 'recordBound'>> & {
  readonly poolSize?: number
}

/** A fresh database with an open store, and the ways that an attacker or another process has to it. */
export interface TestDatabase {
  readonly store: Store
  /** What `openStore` was given: for another process, or to open it again. */
  readonly options: StoreOptions
  /** Closes nothing: opens one more store (PostgreSQL), or the next one after `store.close()` (SQLite). */
  reopen(options?: TestOptions): Promise<Store>
  /** Runs a statement past the store and past row security, as someone with the database in hand. `?` are parameters. */
  raw(statement: string, values?: readonly (string | number | null)[]): Promise<Record<string, unknown>[]>
  /** PostgreSQL only: urls of the roles for this database. */
  readonly urls?: { readonly adminUrl: string; readonly ownerUrl: string; readonly servingUrl: string }
  /** Closes the store, if it is not closed yet, and removes the database. */
  close(): Promise<void>
}

export interface DatabaseKind {
  readonly name: 'sqlite' | 'postgres'
  open(options?: TestOptions): Promise<TestDatabase>
}

/** Both databases, for `describe.each(databases())('… on $name', ({ open }) => …)`. */
export function databases(): readonly DatabaseKind[] {
  return [
    { name: 'sqlite', open: openSqlite },
    { name: 'postgres', open: openPostgres },
  ]
}

async function openSqlite(given: TestOptions = {}): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-sqlite-'))
  const { poolSize: _, ...rest } = given
  const options: StoreOptions = { kind: 'sqlite', folder, nodeId: 'one', ...rest }
  const stores = [await openStore(options)]
  return {
    store: stores[0]!,
    options,
    async reopen({ poolSize: _, ...more } = {}) {
      const store = await openStore({ ...options, ...more })
      stores.push(store)
      return store
    },
    async raw(statement, values = []) {
      const database = new DatabaseSync(join(folder, 'valetkey.db'), { timeout: 5000 })
      try {
        return database.prepare(statement).all(...values) as Record<string, unknown>[]
      } finally {
        database.close()
      }
    },
    async close() {
      for (const store of stores) await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function openPostgres(given: TestOptions = {}): Promise<TestDatabase> {
  const { drop, ...urls } = await createDatabase(serverOfRun())
  await migratePostgres({ ownerUrl: urls.ownerUrl, servingUrl: urls.servingUrl })
  const options: StoreOptions = {
    kind: 'postgres',
    url: urls.servingUrl,
    nodeId: 'one',
    poolSize: 4,
    forServing: true,
    ...given,
  }
  const stores: Store[] = []
  try {
    stores.push(await openStore(options))
  } catch (error) {
    await drop()
    throw error
  }
  return {
    store: stores[0]!,
    options,
    urls,
    async reopen(more = {}) {
      const store = await openStore({ ...options, ...more })
      stores.push(store)
      return store
    },
    async raw(statement, values = []) {
      const client = new pg.Client({ connectionString: urls.adminUrl })
      await client.connect()
      try {
        let number = 0
        const { rows } = await client.query(
          statement.replace(/\?/g, () => `$${++number}`),
          [...values],
        )
        return rows
      } finally {
        await client.end()
      }
    },
    async close() {
      for (const store of stores) await store.close()
      await drop()
    },
  }
}

/** The PostgreSQL of this run, for tests that make databases of their own with `createDatabase`. */
export function serverOfRun(): PostgresServer {
  const given = process.env[serverVariable]
  if (given === undefined) throw new Error('Name test/global-setup.ts as globalSetup of this run: it starts PostgreSQL')
  return JSON.parse(given) as PostgresServer
}
