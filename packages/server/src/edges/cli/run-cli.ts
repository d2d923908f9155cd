import type { CliIo } from './cli-io.ts'
import { commands } from './commands.ts'
import { helpFor } from './help.ts'
import type { LocalCommands } from './local-commands.ts'
import { type OpenClient, openClient } from './open-client.ts'
import { outputTo } from './output.ts'
import { type Asked, parseCommand } from './parse-command.ts'
import { errorAsJson, errorForPeople } from './render-error.ts'
import { UsageError } from './usage-error.ts'
import { version } from './version.ts'

/**
 * Runs one command line and returns its exit code: 0 done, 1 refused or failed, 2 wrong use. Never throws, and touches
 * the process only through `io`. With `--json` the outcome, an error included, is one JSON object on stdout.
 */
export async function runCli(argv: readonly string[], io: CliIo, local: LocalCommands): Promise<number> {
  let asked: Asked
  const isJson = argv.includes('--json')
  try {
    asked = parseCommand(commands, argv)
  } catch (error) {
    return failed(error, io, isJson)
  }
  if (asked.kind === 'version') {
    io.stdout.write(`${version}\n`)
    return 0
  }
  if (asked.kind === 'help') {
    io.stdout.write(helpFor(commands, asked.words))
    return 0
  }
  const { command, args, options } = asked
  let client: OpenClient | undefined
  try {
    const code = await command.run({
      args,
      options,
      io,
      local,
      out: outputTo(io, options.isOn('json')),
      vault: async () => {
        client ??= await openClient(options, io, local)
        return client.vault
      },
    })
    await client?.close()
    return code
  } catch (error) {
    // What went wrong first is what is told.
    await client?.close().catch(() => undefined)
    return failed(error, io, options.isOn('json'))
  }
}

function failed(error: unknown, io: CliIo, isJson: boolean): number {
  if (isJson) io.stdout.write(`${JSON.stringify(errorAsJson(error))}\n`)
  else io.stderr.write(`${errorForPeople(error)}\n`)
  return error instanceof UsageError ? 2 : 1
}
