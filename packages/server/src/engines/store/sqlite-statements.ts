import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Statements kept prepared on one connection; lists of filters make a few hundred different texts. */
const statementBound = 500

export type Value = string | number | null

export interface StatementResult {
  readonly rows: unknown[]
  readonly changes: number
}

/** Runs statements on a connection of `node:sqlite`, each text prepared once. */
export function sqliteStatements(database: DatabaseSync): (text: string, values: readonly Value[]) => StatementResult {
  const prepared = new Map<string, { statement: StatementSync; hasRows: boolean }>()
  return (text, values) => {
    let entry = prepared.get(text)
    if (entry === undefined) {
      const statement = database.prepare(text)
      entry = { statement, hasRows: statement.columns().length > 0 }
      if (prepared.size >= statementBound) prepared.delete(prepared.keys().next().value!)
      prepared.set(text, entry)
    }
    if (entry.hasRows) {
      const rows = entry.statement.all(...values)
      return { rows, changes: rows.length }
    }
    return { rows: [], changes: Number(entry.statement.run(...values).changes) }
  }
}
