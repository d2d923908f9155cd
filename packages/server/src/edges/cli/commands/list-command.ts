import type { Listing } from '@valetkey/sdk'
import type { CommandCall, OptionSpec } from '../command.ts'
import type { Column } from '../table.ts'

/** Options of every command that lists. */
export const listOptions: Readonly<Record<string, OptionSpec>> = {
  limit: { value: 'N', help: 'At most so many' },
}

/** Draws a list of the API: all of it, or the first `--limit`. */
export async function drawList<T>(
  { options, out }: CommandCall,
  items: Listing<T>,
  columns: readonly Column<T>[],
  empty: string,
): Promise<number> {
  out.rows(await items.toArray(options.count('limit', 1, 1_000_000)), columns, empty)
  return 0
}

/** `2031-05-01 12:00:00Z`: an RFC 3339 moment as a table shows it. */
export function shortTime(moment: string | null | undefined): string | undefined {
  return moment?.replace('T', ' ').replace(/\.\d+Z$/, 'Z')
}
