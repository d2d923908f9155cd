import { printable } from './printable.ts'

/** One column: its heading, and what stands in it for a row. */
export interface Column<T> {
  readonly head: string
  readonly of: (row: T) => string | number | null | undefined
}

/**
 * Rows for people: aligned columns under headings, columns that are empty everywhere left out, the last one cut to the
 * terminal's width when there is one. What programs read is `--json`.
 */
export function drawTable<T>(columns: readonly Column<T>[], rows: readonly T[], width?: number): string {
  const cells = rows.map(row => columns.map(column => printable(String(column.of(row) ?? ''))))
  const shown = columns.map((_, at) => at).filter(at => cells.some(line => line[at] !== ''))
  const widths = shown.map(at => Math.max(columns[at]!.head.length, ...cells.map(line => [...line[at]!].length)))
  const line = (texts: readonly string[]) => {
    const whole = texts
      .map((text, at) => (at === texts.length - 1 ? text : text + ' '.repeat(widths[at]! - [...text].length)))
      .join('  ')
      .trimEnd()
    return width !== undefined && [...whole].length > width ? `${[...whole].slice(0, width - 1).join('')}…` : whole
  }
  return [shown.map(at => columns[at]!.head), ...cells.map(row => shown.map(at => row[at]!))].map(line).join('\n')
}

/** One thing for people: its facts under each other, empty ones left out. */
export function drawFacts(facts: readonly (readonly [string, unknown])[]): string {
  const shown = facts.map(([name, value]) => [name, shownValue(value)] as const).filter(([, text]) => text !== '')
  const width = Math.max(0, ...shown.map(([name]) => name.length))
  return shown.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}`).join('\n')
}

function shownValue(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(shownValue).join(', ')
  if (typeof value === 'object') {
    return Object.entries(value)
      .filter(([, member]) => member !== undefined && member !== null)
      .map(([name, member]) => `${name}=${shownValue(member)}`)
      .join(' ')
  }
  return String(value)
}
