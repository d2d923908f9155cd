import { Worker } from 'node:worker_threads'
import { Failure } from '../../core/failure.ts'
import type { StatementResult, Value } from './sqlite-statements.ts'
import type { Answer, Order, SqliteWorkerData, Step } from './sqlite-worker.ts'

export type { Step }

/** A connection to SQLite in a thread of its own, so that a slow disk or a long scan never stops the event loop. */
export interface SqliteThread {
  run(text: string, values?: readonly Value[]): Promise<StatementResult>
  /** One durable transaction in one message; false, and nothing done, when a step did not change as many rows as expected. */
  commit(steps: readonly Step[]): Promise<boolean>
  close(): Promise<void>
}

/** Starts the thread; statements run one after the other, in the order they were given. */
export function sqliteThread(data: SqliteWorkerData): SqliteThread {
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: data })
  const waiting = new Map<number, { resolve: (result: StatementResult) => void; reject: (error: unknown) => void }>()
  let number = 0
  let broken: Failure | undefined

  worker.on('message', (answer: Answer) => {
    const one = waiting.get(answer.number)
    waiting.delete(answer.number)
    // An idle thread does not keep the process alive; a write that is on its way does.
    if (waiting.size === 0) worker.unref()
    if ('result' in answer) one?.resolve(answer.result)
    else one?.reject(Object.assign(new Error(answer.error.message), answer.error))
  })
  worker.on('error', breakDown)
  worker.on('exit', () => breakDown(undefined))

  function breakDown(cause: unknown): void {
    broken ??= new Failure('unavailable', 'The database thread has ended. Restart the server.', { cause })
    for (const one of waiting.values()) one.reject(broken)
    waiting.clear()
  }

  function post(order: Omit<Order, 'number'>): Promise<StatementResult> {
    if (broken !== undefined) return Promise.reject(broken)
    return new Promise((resolve, reject) => {
      number++
      waiting.set(number, { resolve, reject })
      worker.ref()
      worker.postMessage({ number, ...order } satisfies Order)
    })
  }

  return {
    run: (text, values = []) => post({ text, values }),
    async commit(steps) {
      return (await post({ text: '', values: [], steps })).changes === 1
    },
    async close() {
      if (broken === undefined) await post({ text: '', values: [], close: true })
      await worker.terminate()
    },
  }
}
