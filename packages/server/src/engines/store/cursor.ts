import { invalid } from '../../core/failure.ts'
import type { Page } from './store.ts'

/** An opaque cursor: the keys of the last row of a page, in base64url. */
export function cursorOf(keys: readonly string[]): string {
  return Buffer.from(keys.join('\n')).toString('base64url')
}

/** The keys of a cursor, each of the form it must have; anything else is the caller's fault at `/cursor`. */
export function keysOf(cursor: string, forms: readonly RegExp[]): string[] {
  const keys = /^[A-Za-z0-9_-]{1,200}$/.test(cursor) ? Buffer.from(cursor, 'base64url').toString().split('\n') : []
  if (keys.length !== forms.length || !forms.every((form, at) => form.test(keys[at]!))) {
    throw invalid('/cursor', 'This is no cursor of this listing. Take next_cursor as it was given.')
  }
  return keys
}

export const idForm = /^[a-z]{3}_[0-9a-z]{26}$/
export const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** The id after which a page begins. */
export function afterId(cursor: string): string {
  return keysOf(cursor, [idForm])[0]!
}

/** A page from one row more than was asked for: the surplus says that there is a next page. */
export function pageOf<Row, T>(
  found: readonly Row[],
  limit: number,
  value: (row: Row) => T,
  keys: (row: Row) => readonly string[],
): Page<T> {
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  if (found.length <= limit || last === undefined) return { rows: rows.map(value) }
  return { rows: rows.map(value), nextCursor: cursorOf(keys(last)) }
}
