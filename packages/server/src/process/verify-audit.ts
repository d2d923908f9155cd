import { socketFetch } from '@valetkey/sdk/node-socket'
import { readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { AuditVerifyOptions } from '../edges/cli/local-commands.ts'
import type { AuditVerdict } from '../engines/store/store.ts'
import { createLog } from '../log.ts'
import { socketPath } from './data-folder.ts'
import { openServer } from './open-server.ts'

/** `valetkey audit verify`: exit 0 when every leaf, link and head holds, else 1 with the first row that does not. */
export async function verifyAudit(options: AuditVerifyOptions, io: CliIo): Promise<number> {
  const verdict = await judge(options, io)
  if (options.json) io.stdout.write(`${JSON.stringify(verdict)}\n`)
  else
    io.stdout.write(
      verdict.ok
        ? `The audit log holds: ${verdict.events} events, head ${verdict.head}\n`
        : `The audit log does NOT hold.\n  first fault at  ${verdict.event}\n  reason          ${verdict.reason}\n`,
    )
  return verdict.ok ? 0 : 1
}

async function judge(options: AuditVerifyOptions, io: CliIo): Promise<AuditVerdict> {
  const config = readConfig({ data: options.data, config: options.config, serves: true }, io.env)
  try {
    const answer = await socketFetch(socketPath(config.dataFolder))('http://localhost/v1/audit/verify')
    if (answer.ok) return (await answer.json()) as AuditVerdict
  } catch {
    // No server there: the folder is opened instead.
  }
  const system = await openServer(
    config,
    io.env,
    createLog(line => io.stderr.write(line), Date.now, 'error'),
  )
  try {
    let events = 0
    let head = ''
    for (const tenant of await system.parts.store.locator.tenants()) {
      const verdict = await system.parts.store.asTenant(tenant.id, rows => rows.audit.verify())
      if (!verdict.ok) return verdict
      events += verdict.events
      if (head === '') ({ head } = verdict)
    }
    return { ok: true, events, head }
  } finally {
    await system.close(0)
  }
}
