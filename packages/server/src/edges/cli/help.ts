import type { Command, OptionSpec } from './command.ts'
import { everywhere } from './parse-command.ts'

/** The help for words of a command line: all of it, one group, or one command. Made from the table of commands. */
export function helpFor(table: readonly Command[], words: readonly string[]): string {
  const asked = words.join(' ')
  const command = table.find(({ name }) => name === asked)
  if (command !== undefined) return helpOfCommand(command)
  if (asked !== '') {
    const group = table.filter(({ name }) => name.startsWith(`${asked} `))
    return `${listed(group)}\n\nFor example:\n  ${group[0]!.example}\n\nvaletkey ${asked} COMMAND --help says more.\n`
  }
  return `valetkey: the OAuth layer between AI agents and people's accounts

${listed(table)}

Every command has --help with an example, and --json for programs.
Exit code: 0 done, 1 refused or failed, 2 wrong use.

For example:
  valetkey init --data ./vault && valetkey serve --data ./vault
`
}

function helpOfCommand(command: Command): string {
  const own = Object.entries(command.options)
  const rows = [...own, ...Object.entries(everywhere)].map(([name, spec]) => [flag(name, spec), spec.help] as const)
  const width = Math.max(...rows.map(([left]) => left.length))
  return `${command.summary}

  valetkey ${[command.name, ...command.args, ...(own.length > 0 ? ['[options]'] : [])].join(' ')}
${command.notes === undefined ? '' : `\n${command.notes}\n`}
${rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`).join('\n')}

For example:
  ${command.example}
`
}

function flag(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? '' : `-${spec.short}, `
  return `${short}--${name}${spec.value === undefined ? '' : ` ${spec.value}`}${spec.many === true ? ' …' : ''}`
}

function listed(commands: readonly Command[]): string {
  const rows = commands.map(
    command => [`valetkey ${[command.name, ...command.args].join(' ')}`, command.summary] as const,
  )
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, summary]) => `  ${left.padEnd(width)}  ${summary}`).join('\n')
}
