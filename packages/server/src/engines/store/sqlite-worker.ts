import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { type StatementResult, sqliteStatements, type Value } from './sqlite-statements.ts'

/** A statement for the thread; `close` ends it. */
export interface Order {
  readonly number: number
  readonly text: string
  readonly values: readonly Value[]
  readonly close?: true
  /** A whole transaction instead of one statement. */
  readonly steps?: readonly Step[]
}

/** One statement of a transaction that is sent as a whole. */
export interface Step {
  readonly text: string
  readonly values?: readonly Value[]
  /** JSON, a list of lists of values: runs once for each. One text is handed to a thread sooner than its thousand values. */
  readonly rows?: string
  /** How many rows it has to change; with another number nothing of the transaction is done. */
  readonly expected?: number
}

export type Answer =
  | { readonly number: number; readonly result: StatementResult }
  | { readonly number: number; readonly error: { message: string; code?: unknown; errcode?: unknown } }

export interface SqliteWorkerData {
  readonly path: string
  readonly readOnly: boolean
}

const { path, readOnly } = workerData as SqliteWorkerData
const port = parentPort!
const database = new DatabaseSync(path, { readOnly, timeout: 5000, enableForeignKeyConstraints: true })
// A commit is acknowledged when it is on the disk, not before (P10).
if (!readOnly) {
  database.exec('pragma synchronous = full; pragma trusted_schema = off')
  const mode = database.prepare('pragma journal_mode = wal').get()
  // Some network file systems refuse it in silence, and then readers and the writer would stop each other.
  if (mode?.journal_mode !== 'wal') throw new Error('The file system of the data folder has no shared memory for WAL')
}
const run = sqliteStatements(database)

port.on('message', (order: Order) => {
  if (order.close) {
    database.close()
    port.postMessage({ number: order.number, result: { rows: [], changes: 0 } } satisfies Answer)
    port.close()
    return
  }
  try {
    const result = order.steps === undefined ? run(order.text, order.values) : commit(order.steps)
    port.postMessage({ number: order.number, result } satisfies Answer)
  } catch (error) {
    const { message, code, errcode } = error as Error & { code?: unknown; errcode?: unknown }
    port.postMessage({ number: order.number, error: { message, code, errcode } } satisfies Answer)
  }
})

/** Changes 1: committed; 0: something was not as expected, and nothing was done. */
function commit(steps: readonly Step[]): StatementResult {
  run('begin immediate', [])
  try {
    for (const { text, values = [], rows, expected } of steps) {
      if (rows !== undefined) {
        for (const one of JSON.parse(rows) as Value[][]) run(text, one)
        continue
      }
      const { changes } = run(text, values)
      if (expected === undefined || changes === expected) continue
      run('rollback', [])
      return { rows: [], changes: 0 }
    }
    run('commit', [])
    return { rows: [], changes: 1 }
  } catch (error) {
    if (database.isTransaction) run('rollback', [])
    throw error
  }
}
