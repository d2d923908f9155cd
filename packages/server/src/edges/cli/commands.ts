import type { Command } from './command.ts'
import { auditCommands } from './commands/audit.ts'
import { callCommands } from './commands/call.ts'
import { clientCommands } from './commands/clients.ts'
import { connectionCommands } from './commands/connections.ts'
import { grantCommands } from './commands/grants.ts'
import { integrationCommands } from './commands/integrations.ts'
import { localCommands } from './commands/local.ts'
import { providerCommands } from './commands/providers.ts'
import { taskCommands } from './commands/tasks.ts'
import { userCommands } from './commands/users.ts'
import { reaching } from './parse-command.ts'

/** Commands that speak to a server say so by the options that reach it. */
function overApi(commands: readonly Command[]): readonly Command[] {
  return commands.map(command => ({ ...command, options: { ...command.options, ...reaching } }))
}

/** The one table of commands: parsing, help and suggestions are made from it. */
export const commands: readonly Command[] = [
  ...localCommands,
  ...overApi([
    ...providerCommands,
    ...integrationCommands,
    ...userCommands,
    ...clientCommands,
    ...connectionCommands,
    ...grantCommands,
    ...taskCommands,
    ...callCommands,
    ...auditCommands,
  ]),
]
