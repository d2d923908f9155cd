import { type Answer, type Exchange, json } from '../http/exchange.ts'
import type { AccessToken } from '../oauth/token-book.ts'
import { notionError } from './notion-error.ts'
import type { NotionObject, NotionWorkspace } from './notion-workspace.ts'

/** What a Notion handler gets: the workspace of the token's user, and the parsed request. */
export interface NotionCall {
  readonly workspace: NotionWorkspace
  readonly version: string
  readonly exchange: Exchange
  readonly token: AccessToken
  readonly body: NotionObject
  readonly params: Readonly<Record<string, string>>
  /** The time of writes, RFC 3339. */
  readonly now: string
}

/** 404 for what is not in this workspace, whether or not it is in another. */
export const missing = (kind: string, id: string) =>
  notionError(
    404,
    'object_not_found',
    `Could not find ${kind} with ID: ${id}. Make sure the relevant pages and databases are shared with your integration.`,
  )

/** 400 for a body that does not fit. */
export const invalid = (message: string) => notionError(400, 'validation_error', `body failed validation: ${message}`)

/** Whether a page or block of that id is in the workspace. */
export const isThere = (workspace: NotionWorkspace, id: string) => workspace.pages.has(id) || workspace.blocks.has(id)

/** Notion takes ids with and without dashes. */
export function uuid(id: string): string {
  const hex = id.replaceAll('-', '').toLowerCase()
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** A page of results; the cursor is the id of the first result of the next one. */
export function list(call: NotionCall, type: string, results: readonly NotionObject[]): Answer {
  const { query } = call.exchange
  const given = (name: string) => (call.exchange.method === 'GET' ? query.get(name) : call.body[name])
  const size = Number(given('page_size') ?? 100)
  if (!Number.isInteger(size) || size < 1 || size > 100) return invalid('page_size should be 1 to 100.')
  const cursor = given('start_cursor') ?? undefined
  const start = cursor === undefined ? 0 : results.findIndex(result => result.id === cursor)
  if (start < 0) return notionError(400, 'validation_error', `The start_cursor provided is invalid: ${cursor}`)
  const next = results[start + size]
  return json(200, {
    object: 'list',
    results: results.slice(start, start + size),
    next_cursor: next?.id ?? null,
    has_more: next !== undefined,
    type,
    [type]: {},
  })
}
