import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { serverOfRun } from './databases.ts'
import type { Rig } from './rig.ts'

/** Someone with a rig's database in hand: past the server, past the store, past row security. */
export interface RawDatabase {
  /** `?` are parameters; a column whose name is a word of SQL is quoted by the caller. */
  run(statement: string, values?: readonly (string | number | null)[]): Promise<Record<string, unknown>[]>
  /** Every table, every row, every column as text; with the bytes of the files where there are any. */
  dump(): Promise<string>
}

/** Opens a rig's database by other means than the product's, once a statement. */
export function rawDatabase(rig: Pick<Rig, 'folder' | 'databaseUrl'>): RawDatabase {
  const run =
    rig.databaseUrl === undefined
      ? (statement: string, values: readonly (string | number | null)[] = []) => onSqlite(rig.folder, statement, values)
      : (statement: string, values: readonly (string | number | null)[] = []) =>
          onPostgres(rig.databaseUrl!, statement, values)
  return {
    run,
    async dump() {
      const tables =
        rig.databaseUrl === undefined
          ? await run(`select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`)
          : await run(
              `select table_schema || '.' || table_name as name from information_schema.tables
               where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
            )
      const parts: string[] = []
      for (const { name } of tables) parts.push(JSON.stringify([name, await run(`select * from ${name}`)]))
      return parts.join('\n')
    },
  }
}

async function onSqlite(folder: string, statement: string, values: readonly (string | number | null)[]) {
  // Waiting inside of SQLite would hold the event loop on which the server's own transaction has to end.
  for (let attempt = 0; ; attempt++) {
    const database = new DatabaseSync(join(folder, 'valetkey.db'), { timeout: 0 })
    try {
      return database.prepare(statement).all(...values) as Record<string, unknown>[]
    } catch (thrown) {
      if (attempt === 400 || !/locked|busy/i.test((thrown as Error).message)) throw thrown
    } finally {
      database.close()
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function onPostgres(servingUrl: string, statement: string, values: readonly (string | number | null)[]) {
  const url = new URL(serverOfRun().adminUrl)
  url.pathname = new URL(servingUrl).pathname
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    let number = 0
    const { rows } = await client.query(
      statement.replace(/\?/g, () => `$${++number}`),
      [...values],
    )
    return rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}
