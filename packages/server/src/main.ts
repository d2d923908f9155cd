import type { CliIo } from './edges/cli/cli-io.ts'
import type { LocalCommands } from './edges/cli/local-commands.ts'
import { processIo } from './edges/cli/process-io.ts'
import { runCli } from './edges/cli/run-cli.ts'
import { CommandFailed } from './edges/cli/usage-error.ts'
import { localFaultOf } from './process/local-fault.ts'
import { splitNextStep } from './process/next-step.ts'

/** The commands that work on this machine. Each is loaded when it is called, so that `--help` is quick. */
const local: LocalCommands = {
  init: clearly(async (options, io) => (await import('./process/init.ts')).init(options, io)),
  serve: clearly(async (options, io) => (await import('./process/serve.ts')).serve(options, io)),
  migrate: clearly(async (options, io) => (await import('./process/migrate.ts')).migrate(options, io)),
  doctor: clearly(async (options, io) => (await import('./process/doctor.ts')).doctor(options, io)),
  demo: clearly(async (options, io) => (await import('./process/demo.ts')).demo(options, io)),
  tenantsCreate: clearly(async (options, io) => (await import('./process/create-tenant.ts')).createTenant(options, io)),
  auditVerify: clearly(async (options, io) => (await import('./process/verify-audit.ts')).verifyAudit(options, io)),
  openFolder: async (options, io) => {
    try {
      return await (await import('./process/open-folder.ts')).openFolder(options, io)
    } catch (thrown) {
      const fault = localFaultOf(thrown)
      if (fault === undefined) throw thrown
      if (fault.faults !== undefined)
        throw new CommandFailed(
          `The settings are faulty: ${fault.faults.join(' ')}`,
          'Mend the settings and try again.',
        )
      const { wrong, next } = splitNextStep(fault.detail)
      throw new CommandFailed(wrong, next?.replace(/^Run: /, '') ?? `valetkey doctor --data ${options.data}`)
    }
  },
}

/** Faults of starting are one clear line on stderr, with `--json` one object on stdout, and exit code 1, without a stack. */
function clearly<Options extends { readonly json: boolean }>(
  command: (options: Options, io: CliIo) => Promise<number>,
): (options: Options, io: CliIo) => Promise<number> {
  return async (options, io) => {
    try {
      return await command(options, io)
    } catch (thrown) {
      const fault = localFaultOf(thrown)
      if (fault === undefined) throw thrown
      if (options.json) io.stdout.write(`${JSON.stringify(fault)}\n`)
      else io.stderr.write(`valetkey: ${fault.detail}\n`)
      return 1
    }
  }
}

process.exitCode = await runCli(process.argv.slice(2), processIo(), local)
// Whatever a command left open (a connection kept alive, a timer) is not worth waiting for.
process.exit()
