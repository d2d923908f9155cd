import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { CliIo } from './cli-io.ts'

/** The real process. The first Ctrl-C asks the command to stop; a second one ends the process. */
export function processIo(): CliIo {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
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
      await setTimeout(milliseconds, undefined, { signal: stop.signal }).catch(() => undefined)
    },
    signal: stop.signal,
    fetch: (input, init) => fetch(input, init),
    readFile: path => readFile(path),
  }
}
