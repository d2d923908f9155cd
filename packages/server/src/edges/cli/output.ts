import type { CliIo } from './cli-io.ts'
import { type Column, drawFacts, drawTable } from './table.ts'

/** Where a command shows its outcome: for people, or with `--json` for programs. */
export interface Output {
  readonly isJson: boolean
  /** The outcome: one JSON object, or what `people` draws. */
  result(value: unknown, people: () => string): void
  /** A list: the API's own page shape, or a table. */
  rows<T>(rows: readonly T[], columns: readonly Column<T>[], empty: string, nextCursor?: string | null): void
  /** One thing: the API's own shape, or its facts under each other. */
  facts(value: object, facts?: readonly (readonly [string, unknown])[]): void
  /** A word beside the outcome, on stderr. */
  note(text: string): void
  bold(text: string): string
  dim(text: string): string
  readonly width: number | undefined
}

/** Draws to `io`. Colour only on a terminal and never with NO_COLOR. */
export function outputTo(io: CliIo, isJson: boolean): Output {
  const isColoured = !isJson && hasColour(io)
  // A pseudo terminal without a size reports 0 columns: that is no width.
  const width = io.stdout.isTTY === true ? io.stdout.columns || undefined : undefined
  const line = (text: string) => io.stdout.write(`${text}\n`)
  const out: Output = {
    isJson,
    width,
    result: (value, people) => line(isJson ? JSON.stringify(value) : people()),
    rows: (rows, columns, empty, nextCursor = null) => {
      out.result({ data: rows, next_cursor: nextCursor }, () => {
        const table = rows.length === 0 ? empty : drawTable(columns, rows, width)
        return nextCursor === null ? table : `${table}\n${out.dim(`More: --cursor ${nextCursor}`)}`
      })
    },
    facts: (value, facts) => out.result(value, () => drawFacts(facts ?? Object.entries(value))),
    note: text => io.stderr.write(`${text}\n`),
    bold: text => (isColoured ? `\u001b[1m${text}\u001b[22m` : text),
    dim: text => (isColoured ? `\u001b[2m${text}\u001b[22m` : text),
  }
  return out
}

/** https://no-color.org: set and not empty. */
function hasColour(io: CliIo): boolean {
  return io.stdout.isTTY === true && !io.env.NO_COLOR && io.env.TERM !== 'dumb'
}
