import { type RawBuilder, sql } from 'kysely'
import type { Kind } from './schema.ts'

export type Cell = string | number | null

/**
 * Any number of rows as one parameter (or one per column), named `v`, so that a batch of any size is the same statement
 * text. The one place where the two databases are told apart by their functions.
 */
export function rowSet(
  kind: Kind,
  columns: Readonly<Record<string, 'text' | 'integer'>>,
  rows: readonly (readonly Cell[])[],
): RawBuilder<unknown> {
  const names = Object.keys(columns)
  if (kind === 'postgres') {
    const arrays = names.map((name, at) => {
      const type = columns[name] === 'integer' ? 'bigint' : 'text'
      return sql`${rows.map(row => row[at] ?? null)}::${sql.raw(type)}[]`
    })
    return sql`unnest(${sql.join(arrays)}) as v(${sql.join(names.map(name => sql.ref(name)))})`
  }
  const cells = names.map((name, at) => sql`value ->> ${sql.raw(String(at))} as ${sql.ref(name)}`)
  return sql`(select ${sql.join(cells)} from json_each(${JSON.stringify(rows)})) as v`
}
