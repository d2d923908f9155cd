import { ConfigFault } from './config.ts'
import { Failure } from './core/failure.ts'
import type { CliIo } from './edges/cli/cli-io.ts'
import type { LocalCommands } from './edges/cli/local-commands.ts'
import { processIo } from './edges/cli/process-io.ts'
import { runCli } from './edges/cli/run-cli.ts'
import { StartFault } from './process/data-folder.ts'

/** The commands that work on this machine. Each is loaded when it is called, so that `--help` is quick. */
const local: LocalCommands = {
  init: clearly(async (options, io) => (await import('./process/init.ts')).init(options, io)),
  serve: clearly(async (options, io) => (await import('./process/serve.ts')).serve(options, io)),
  migrate: clearly(async (options, io) => (await import('./process/migrate.ts')).migrate(options, io)),
  doctor: clearly(async (options, io) => (await import('./process/doctor.ts')).doctor(options, io)),
  demo: clearly(async (options, io) => (await import('./process/demo.ts')).demo(options, io)),
  tenantsCreate: clearly(async (options, io) => (await import('./process/create-tenant.ts')).createTenant(options, io)),
  auditVerify: clearly(async (options, io) => (await import('./process/verify-audit.ts')).verifyAudit(options, io)),
  openFolder: async (options, io) => (await import('./process/open-folder.ts')).openFolder(options, io),
}

/** Faults of starting are one clear line on stderr and exit code 1, without a stack. */
function clearly<Options>(
  command: (options: Options, io: CliIo) => Promise<number>,
): (options: Options, io: CliIo) => Promise<number> {
  return async (options, io) => {
    try {
      return await command(options, io)
    } catch (thrown) {
      if (
        !(
          thrown instanceof StartFault ||
          thrown instanceof ConfigFault ||
          thrown instanceof Failure ||
          isListed(thrown)
        )
      )
        throw thrown
      io.stderr.write(`valetkey: ${(thrown as Error).message}\n`)
      return 1
    }
  }
}

const clearNames = new Set(['KeyFault', 'CatalogueFault'])
const clearCodes = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTDIR', 'EROFS', 'ENOSPC'])

function isListed(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    (clearNames.has(thrown.name) || clearCodes.has((thrown as NodeJS.ErrnoException).code ?? ''))
  )
}

process.exitCode = await runCli(process.argv.slice(2), processIo(), local)
// Whatever a command left open (a connection kept alive, a timer) is not worth waiting for.
process.exit()
