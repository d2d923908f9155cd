import { parseArgs } from 'node:util'
import type { Command, OptionSpec, Options, OptionValues } from './command.ts'
import { suggest } from './suggest.ts'
import { UsageError } from './usage-error.ts'

/** Options that every command has. */
export const everywhere: Readonly<Record<string, OptionSpec>> = {
  json: { help: 'One JSON object instead of words for people' },
  help: { help: 'This help', short: 'h' },
}

/** Options of the commands that speak to a server. */
export const reaching: Readonly<Record<string, OptionSpec>> = {
  data: { value: 'DIR', help: 'Data folder: speak to its server as the operator (VALETKEY_DATA)' },
  url: {
    value: 'URL',
    help: 'Base URL, with VALETKEY_CLIENT_ID and VALETKEY_CLIENT_SECRET, or VALETKEY_TOKEN (VALETKEY_URL)',
  },
}

/** What was asked for: a command with its arguments, or the help of a command or of a group of them. */
export type Asked =
  | { readonly kind: 'command'; readonly command: Command; readonly args: readonly string[]; readonly options: Options }
  | { readonly kind: 'help'; readonly words: readonly string[] }
  | { readonly kind: 'version' }

/** Finds the command in the table and reads its arguments; throws `UsageError`. */
export function parseCommand(table: readonly Command[], argv: readonly string[]): Asked {
  const first = argv[0]
  if (first === undefined) throw new UsageError('No command was given.', 'valetkey --help')
  if (first === '--version' || first === '-v') return { kind: 'version' }
  if (first === '--help' || first === '-h') return { kind: 'help', words: [] }
  if (first === 'help') return { kind: 'help', words: knownWords(table, argv.slice(1)) }
  const command = table.find(({ name }) => name === argv.slice(0, name.split(' ').length).join(' '))
  if (command === undefined) {
    const isGroup = table.some(({ name }) => name.startsWith(`${first} `))
    const asksHelp = argv.some(word => word === '--help' || word === '-h')
    if (isGroup && asksHelp && wordsOf(table, argv).length === 1) return { kind: 'help', words: [first] }
    throw unknownCommand(table, argv)
  }
  const rest = argv.slice(command.name.split(' ').length)
  const { values, positionals } = parsed(command, rest)
  if (values.help === true) return { kind: 'help', words: command.name.split(' ') }
  checkArguments(command, positionals)
  return { kind: 'command', command, args: positionals, options: optionsOf(command, values) }
}

function parsed(command: Command, rest: readonly string[]): { values: OptionValues; positionals: readonly string[] } {
  const specs = { ...command.options, ...everywhere }
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [
      name,
      {
        type: spec.value === undefined ? ('boolean' as const) : ('string' as const),
        ...(spec.many === true && { multiple: true }),
        ...(spec.short !== undefined && { short: spec.short }),
      },
    ]),
  )
  try {
    const read = parseArgs({ args: [...rest], options, allowPositionals: true, strict: true })
    return { values: read.values as OptionValues, positionals: read.positionals }
  } catch (error) {
    const unknown = /Unknown option '(-{1,2}[^']+)'/.exec((error as Error).message)?.[1]
    if (unknown !== undefined) {
      const near = suggest(unknown.replace(/^-+/, ''), Object.keys(specs))
      const fix = near.length > 0 ? `Did you mean --${near[0]}?` : `valetkey ${command.name} --help`
      throw new UsageError(`valetkey ${command.name} has no option ${unknown}.`, fix)
    }
    throw new UsageError((error as Error).message.split('\n', 1)[0]!, `valetkey ${command.name} --help`)
  }
}

function checkArguments(command: Command, given: readonly string[]): void {
  const needed = command.args.filter(arg => !arg.startsWith('['))
  if (given.length < needed.length) {
    const missing = needed.slice(given.length).join(' ')
    throw new UsageError(`valetkey ${command.name} needs ${missing}.`, `For example: ${command.example}`)
  }
  if (given.length > command.args.length) {
    const extra = given.slice(command.args.length).join(' ')
    throw new UsageError(`valetkey ${command.name} does not take "${extra}".`, `For example: ${command.example}`)
  }
}

/** The words of a line that are neither options nor values of options; which options take one, all commands say together. */
function wordsOf(table: readonly Command[], argv: readonly string[]): readonly string[] {
  const specs = table.flatMap(({ options }) => Object.entries(options))
  const takesValue = (word: string): boolean =>
    specs.some(([name, { value, short }]) => value !== undefined && (word === `--${name}` || word === `-${short}`))
  return argv.filter((word, at) => !word.startsWith('-') && (at === 0 || !takesValue(argv[at - 1]!)))
}

function unknownCommand(table: readonly Command[], argv: readonly string[]): UsageError {
  const words = wordsOf(table, argv).slice(0, 2)
  const [first, second] = words
  if (first === undefined || argv[0]?.startsWith('-')) {
    return new UsageError(
      'The command comes first, its options after it.',
      first === undefined ? 'valetkey --help' : `valetkey ${first} --help`,
    )
  }
  const group = table.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name)
  if (group.length > 0) {
    const near = second === undefined ? [] : suggest(`${first} ${second}`, group)
    const choices = near.length > 0 ? near : group
    return new UsageError(
      second === undefined ? `valetkey ${first} needs one more word.` : `valetkey ${first} has no command "${second}".`,
      `${near.length > 0 ? 'Did you mean' : 'One of'}: ${choices.map(name => `valetkey ${name}`).join(', ')}`,
    )
  }
  const names = [...new Set(table.flatMap(({ name }) => [name, name.split(' ')[0]!]))]
  const near = [...new Set([...suggest(words.join(' '), names), ...suggest(first, names)])].slice(0, 3)
  return new UsageError(
    `There is no command "${first}".`,
    near.length > 0 ? `Did you mean: ${near.map(name => `valetkey ${name}`).join(', ')}` : 'valetkey --help',
  )
}

function knownWords(table: readonly Command[], words: readonly string[]): readonly string[] {
  const asked = words.filter(word => !word.startsWith('-')).join(' ')
  if (asked === '' || table.some(({ name }) => name === asked || name.startsWith(`${asked} `)))
    return asked.split(' ').filter(Boolean)
  throw unknownCommand(table, words)
}

function optionsOf(command: Command, values: OptionValues): Options {
  const many = (name: string): readonly string[] => {
    const value = values[name]
    return Array.isArray(value) ? value : typeof value === 'string' ? [value] : []
  }
  return {
    text: name => many(name).at(-1),
    isOn: name => values[name] === true,
    many,
    list: name => {
      const items = many(name)
        .flatMap(value => value.split(','))
        .map(item => item.trim())
        .filter(item => item !== '')
      return items.length === 0 ? undefined : items
    },
    count: (name, least, most) => {
      const given = many(name).at(-1)
      if (given === undefined) return undefined
      const value = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN
      if (value >= least && value <= most) return value
      throw new UsageError(
        `Expected --${name} to be a whole number from ${least} to ${most}, not "${given}".`,
        `valetkey ${command.name} --help`,
      )
    },
  }
}
