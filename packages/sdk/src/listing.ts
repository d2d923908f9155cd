import { type ApiParts, callApi } from './api.ts'
import type { Page } from './wire.ts'

/** Asks for one page. */
export interface PageOptions {
  /** At most 200; 50 unless said. */
  readonly limit?: number
  readonly cursor?: string
  readonly signal?: AbortSignal
}

/**
 * A list at the server, read page by page as it is walked.
 *
 * ```ts
 * for await (const connection of vault.connections.list({ user_external_id: 'alice' })) …
 * const first = await vault.grants.list().page({ limit: 10 })
 * ```
 */
export interface Listing<T> extends AsyncIterable<T> {
  page(options?: PageOptions): Promise<Page<T>>
  /** All of it, or the first `max`. */
  toArray(max?: number): Promise<T[]>
}

/** The list behind one route. */
export function listing<T>(parts: ApiParts, path: string, filters: object = {}): Listing<T> {
  const page = async ({ limit, cursor, signal }: PageOptions = {}) => {
    const query = { ...(filters as Record<string, string | undefined>), limit, cursor }
    const { value } = await callApi<Page<T>>(parts, {
      method: 'GET',
      path,
      query,
      ...(signal !== undefined && { signal }),
    })
    return value
  }
  async function* walk(limit: number): AsyncGenerator<T, void, undefined> {
    let cursor: string | undefined
    do {
      const { data, next_cursor } = await page({ limit, ...(cursor !== undefined && { cursor }) })
      yield* data
      // A server that repeats its cursor would be walked for ever.
      cursor = next_cursor === null || next_cursor === cursor ? undefined : next_cursor
    } while (cursor !== undefined && cursor !== '')
  }
  return {
    page,
    [Symbol.asyncIterator]: () => walk(200),
    async toArray(max = Number.POSITIVE_INFINITY) {
      const all: T[] = []
      if (max < 1) return all
      for await (const item of walk(Math.min(max, 200))) {
        all.push(item)
        if (all.length >= max) break
      }
      return all
    },
  }
}
