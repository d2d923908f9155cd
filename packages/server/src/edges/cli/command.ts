import type { Valetkey } from '@valetkey/sdk'
import type { CliIo } from './cli-io.ts'
import type { LocalCommands } from './local-commands.ts'
import type { Output } from './output.ts'

/** One option of a command: `--name VALUE`, or a switch when it has no `value`. */
export interface OptionSpec {
  /** Placeholder of the value in the help; none: a switch. */
  readonly value?: string
  readonly help: string
  /** May be given more than once. */
  readonly many?: boolean
  readonly short?: string
}

/** Options as they were given: a switch is true, a repeatable option a list. */
export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** One row of the table of commands. Parsing, help and suggestions are made from it. */
export interface Command {
  /** The words that call it: `integrations add`. */
  readonly name: string
  readonly summary: string
  /** Positional arguments, in order; one in brackets may be left out. */
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly example: string
  /** More words for the help of this command. */
  readonly notes?: string
  readonly run: (call: CommandCall) => Promise<number>
}

/** What a command gets to work with. */
export interface CommandCall {
  readonly args: readonly string[]
  readonly options: Options
  readonly io: CliIo
  readonly out: Output
  readonly local: LocalCommands
  /** The client, opened when first asked for; closed by the one who runs the command. */
  readonly vault: () => Promise<Valetkey>
}

/** Typed reading of option values. */
export interface Options {
  text(name: string): string | undefined
  isOn(name: string): boolean
  /** Repeated options, each also split at commas. */
  list(name: string): readonly string[] | undefined
  /** Repeated options as they are. */
  many(name: string): readonly string[]
  count(name: string, least: number, most: number): number | undefined
}
