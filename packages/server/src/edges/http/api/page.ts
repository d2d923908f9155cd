import { invalid } from '../../../core/failure.ts'
import type { Page, PageRequest } from '../../../engines/store/store.ts'
import { type Answer, type Call, ok } from './route.ts'

/** `limit` (≤ 200, default 50) and `cursor` of a listing (CONTRACT 3). */
export function pageOf(call: Call): PageRequest {
  const limit = call.query.limit === undefined ? 50 : Number(call.query.limit)
  if (limit < 1 || limit > 200) throw invalid('/limit', 'The limit must be from 1 to 200.')
  return { limit, ...(call.query.cursor !== undefined && { cursor: call.query.cursor }) }
}

export async function pageAnswer<T>(
  page: Page<T>,
  show: (row: T) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>,
): Promise<Answer> {
  const data = []
  for (const row of page.rows) data.push(await show(row))
  return ok({ data, next_cursor: page.nextCursor ?? null })
}
