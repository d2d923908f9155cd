import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { type StatementResult, sqliteStatements, type Value } from './sqlite-statements.ts'

/** A statement for the thread; `close` ends it. */
export interface Order {
  readonly number: number
  readonly text: string
  readonly values: readonly Value[]
  readonly close?: true
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
    port.postMessage({ number: order.number, result: run(order.text, order.values) } satisfies Answer)
  } catch (error) {
    const { message, code, errcode } = error as Error & { code?: unknown; errcode?: unknown }
    port.postMessage({ number: order.number, error: { message, code, errcode } } satisfies Answer)
  }
})
