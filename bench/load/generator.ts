import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Order, Seen } from './order.ts'

/** The hand on the load generator. */
export interface Generator {
  run(order: Order): Promise<Seen>
  stop(): void
}

export function startGenerator(): Generator {
  const child: ChildProcess = fork(fileURLToPath(new URL('./generate.ts', import.meta.url)), [], { stdio: 'inherit' })
  const gone = new Promise<never>((_, reject) => {
    child.once('exit', code => reject(new Error(`The load generator ended with code ${code}.`)))
  })
  gone.catch(() => {})
  return {
    run(order) {
      const seen = new Promise<Seen>(resolve => child.once('message', said => resolve(said as Seen)))
      child.send(order)
      return Promise.race([seen, gone])
    },
    stop() {
      child.removeAllListeners('exit')
      child.kill()
    },
  }
}
