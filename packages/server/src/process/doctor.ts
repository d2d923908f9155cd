import { socketFetch } from '@valetkey/sdk/node-socket'
import { ConfigFault, readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { DoctorOptions } from '../edges/cli/local-commands.ts'
import { examine, type Finding } from '../flows/doctor/examine.ts'
import { createLog } from '../log.ts'
import { socketPath } from './data-folder.ts'
import { examineClosed } from './examine-closed.ts'
import { openServer } from './open-server.ts'

interface Row {
  readonly id: string
  readonly ok: boolean
  readonly detail: string
  readonly next?: string
}

/**
 * `valetkey doctor`: looks at settings, key, database, chain, clock and egress. Asks the running server when there is
 * one, else opens the folder. Exit code 0 only when nothing is wrong.
 */
export async function doctor(options: DoctorOptions, io: CliIo): Promise<number> {
  const rows = await look(options, io)
  const ok = rows.every(row => row.ok)
  if (options.json) io.stdout.write(`${JSON.stringify({ ok, checks: rows })}\n`)
  else {
    for (const row of rows) {
      io.stdout.write(`${row.ok ? 'ok   ' : 'FAULT'}  ${row.id.padEnd(12)}  ${row.detail}\n`)
      if (row.next !== undefined) io.stdout.write(`${' '.repeat(21)}→ ${row.next}\n`)
    }
    io.stdout.write(ok ? '\nEverything looked at is in order.\n' : '\nSomething needs attention: follow the arrows.\n')
  }
  return ok ? 0 : 1
}

async function look(options: DoctorOptions, io: CliIo): Promise<readonly Row[]> {
  let config: ReturnType<typeof readConfig>
  try {
    config = readConfig({ data: options.data, config: options.config, serves: true }, io.env)
  } catch (thrown) {
    if (!(thrown instanceof ConfigFault)) throw thrown
    return thrown.faults.map(detail => ({
      id: 'settings',
      ok: false,
      detail,
      next: 'Correct the setting and run doctor again.',
    }))
  }
  const running = await askServer(socketPath(config.dataFolder))
  if (running !== undefined) return running
  try {
    const system = await openServer(
      config,
      io.env,
      createLog(line => io.stderr.write(line), Date.now, 'error'),
    )
    try {
      return await examine(system.parts)
    } finally {
      await system.close(0)
    }
  } catch (thrown) {
    return examineClosed(config, thrown as Error)
  }
}

async function askServer(socket: string): Promise<readonly Finding[] | undefined> {
  try {
    const answer = await socketFetch(socket)('http://localhost/v1/doctor')
    if (!answer.ok) return undefined
    return ((await answer.json()) as { readonly checks: readonly Finding[] }).checks
  } catch {
    return undefined
  }
}
