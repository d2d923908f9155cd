import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { CliIo } from './cli-io.ts'

/**
 * The real process. Only a command that asks for `signal` or waits takes Ctrl-C into its own hands, once; for all others,
 * and the second time, it ends the process.
 */
export function processIo(): CliIo {
  let stop: AbortController | undefined
  const stopSignal = () => {
    if (stop === undefined) {
      const controller = new AbortController()
      process.once('SIGINT', () => controller.abort())
      stop = controller
    }
    return stop.signal
  }
  // A reader that goes away (`| head`) is no fault of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env: process.env,
    now: Date.now,
    wait: async milliseconds => {
      await setTimeout(milliseconds, undefined, { signal: stopSignal() }).catch(() => undefined)
    },
    get signal() {
      return stopSignal()
    },
    fetch: (input, init) => fetch(input, init),
    readFile: path => readFile(path),
  }
}
