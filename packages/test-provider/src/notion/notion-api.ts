import { type Answer, json, jsonObject } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { withBearer } from '../oauth/bearer.ts'
import type { ProviderState } from '../oauth/provider-state.ts'
import { invalid, isThere, list, missing, type NotionCall, uuid } from './notion-call.ts'
import { notionError } from './notion-error.ts'
import { passesFilter, sortRows, UnknownFilter } from './notion-query.ts'
import {
  blockShape,
  botShape,
  commentShape,
  databaseShape,
  dataSourceShape,
  dataSourceVersion,
  pageBlockShape,
  pageShape,
  personShape,
} from './notion-shapes.ts'
import {
  type NotionBlock,
  type NotionObject,
  type NotionPage,
  type NotionWorkspace,
  titleOf,
} from './notion-workspace.ts'
import { addBlocks, addComment, createPage, updatePage } from './notion-writes.ts'
import { workspaceOf } from './workspace-of.ts'

/** The main calls of `@notionhq/client`, before and after data sources. */
export function notionRoutes(state: ProviderState): readonly Route[] {
  const route = (
    method: string,
    path: string,
    capability: string | undefined,
    handle: (call: NotionCall) => Answer,
  ): Route => ({
    method,
    pattern: `/v1${path}`,
    endpoint: 'api',
    handle: withBearer(state, capability === undefined ? [] : [capability], (exchange, params, token) => {
      const version = exchange.headers['notion-version']
      if (typeof version !== 'string' || !/^20\d\d-\d\d-\d\d$/.test(version)) {
        return notionError(400, 'missing_version', 'Notion-Version header should be defined, instead was `undefined`.')
      }
      const hasBody = exchange.method === 'POST' || exchange.method === 'PATCH'
      const body = hasBody && exchange.body.length > 0 ? jsonObject(exchange) : {}
      if (body === undefined) return notionError(400, 'invalid_json', 'Error parsing JSON body.')
      const workspace = workspaceOf(state, token.family.userId ?? '')
      if (workspace === undefined) return notionError(403, 'restricted_resource', 'The token has no workspace.')
      const now = new Date(state.clock.now()).toISOString()
      try {
        return handle({ workspace, version, exchange, token, body, params, now })
      } catch (error) {
        if (error instanceof UnknownFilter) return notionError(400, 'validation_error', error.message)
        throw error
      }
    }),
  })
  return [
    route('POST', '/search', 'read_content', search),
    route('GET', '/users/me', undefined, call => json(200, botShape(call.workspace, seesEmail(call)))),
    route('GET', '/users', 'read_user_without_email', call => list(call, 'user', usersOf(call))),
    route('GET', '/users/{id}', 'read_user_without_email', call => {
      const user = usersOf(call).find(shape => shape.id === uuid(call.params.id!))
      return user === undefined ? missing('user', call.params.id!) : json(200, user)
    }),
    route('POST', '/pages', 'insert_content', createPage),
    route('GET', '/pages/{id}', 'read_content', call =>
      withPage(call, page => json(200, pageShape(call.workspace, page, call.version))),
    ),
    route('PATCH', '/pages/{id}', 'update_content', call => withPage(call, page => updatePage(call, page))),
    route('GET', '/pages/{id}/properties/{property}', 'read_content', call =>
      withPage(call, page => {
        const wanted = call.params.property
        const property = Object.entries(page.properties).find(([name, value]) => name === wanted || value.id === wanted)
        return property === undefined
          ? missing('property', wanted!)
          : json(200, { object: 'property_item', ...property[1] })
      }),
    ),
    route('GET', '/databases/{id}', 'read_content', call => {
      const database = call.workspace.databases.get(uuid(call.params.id!))
      return database === undefined
        ? missing('database', call.params.id!)
        : json(200, databaseShape(call.workspace, database, call.version))
    }),
    route('POST', '/databases/{id}/query', 'read_content', call =>
      call.version < dataSourceVersion
        ? queryRows(call, uuid(call.params.id!))
        : notionError(400, 'invalid_request_url', 'Invalid request URL. Query a data source in this version.'),
    ),
    route('GET', '/data_sources/{id}', 'read_content', call => {
      const database = bySource(call)
      return database === undefined
        ? missing('data_source', call.params.id!)
        : json(200, dataSourceShape(call.workspace, database))
    }),
    route('POST', '/data_sources/{id}/query', 'read_content', call => queryRows(call, bySource(call)?.id ?? '')),
    route('GET', '/blocks/{id}/children', 'read_content', call => {
      const id = uuid(call.params.id!)
      if (!isThere(call.workspace, id)) return missing('block', call.params.id!)
      const children = childrenOf(call.workspace, id)
      return list(
        call,
        'block',
        children.map(block => blockShape(call.workspace, block)),
      )
    }),
    route('PATCH', '/blocks/{id}/children', 'insert_content', call => {
      const id = uuid(call.params.id!)
      if (!isThere(call.workspace, id)) return missing('block', call.params.id!)
      const added = addBlocks(call, id, call.body.children)
      if (added === undefined) return invalid('body.children should be an array of blocks, each with a type.')
      return list(
        call,
        'block',
        added.map(block => blockShape(call.workspace, block)),
      )
    }),
    route('GET', '/blocks/{id}', 'read_content', call => {
      const id = uuid(call.params.id!)
      const page = call.workspace.pages.get(id)
      if (page !== undefined) return json(200, pageBlockShape(call.workspace, page, titleOf(page)))
      return withBlock(call, block => json(200, blockShape(call.workspace, block)))
    }),
    route('PATCH', '/blocks/{id}', 'update_content', call =>
      withBlock(call, block => {
        const content = call.body[block.type]
        if (typeof content === 'object' && content !== null) block.content = { ...block.content, ...content }
        if (typeof call.body.archived === 'boolean') block.isArchived = call.body.archived
        block.editedAt = call.now
        return json(200, blockShape(call.workspace, block))
      }),
    ),
    route('DELETE', '/blocks/{id}', 'update_content', call =>
      withBlock(call, block => {
        block.isArchived = true
        block.editedAt = call.now
        return json(200, blockShape(call.workspace, block))
      }),
    ),
    route('GET', '/comments', 'read_comments', call => {
      const id = uuid(call.exchange.query.get('block_id') ?? '')
      if (!isThere(call.workspace, id)) return missing('block', id)
      const comments = call.workspace.comments.filter(comment => comment.parentId === id)
      return list(
        call,
        'comment',
        comments.map(comment => commentShape(call.workspace, comment)),
      )
    }),
    route('POST', '/comments', 'insert_comments', addComment),
  ]
}

const seesEmail = (call: NotionCall) => call.token.scopes.includes('read_user_with_email')
const usersOf = (call: NotionCall) => [
  personShape(call.workspace, seesEmail(call)),
  botShape(call.workspace, seesEmail(call)),
]
const bySource = (call: NotionCall) =>
  [...call.workspace.databases.values()].find(database => database.dataSourceId === uuid(call.params.id!))
const childrenOf = (workspace: NotionWorkspace, id: string) =>
  [...workspace.blocks.values()].filter(block => block.parentId === id && !block.isArchived)

function withPage(call: NotionCall, handle: (page: NotionPage) => Answer): Answer {
  const page = call.workspace.pages.get(uuid(call.params.id!))
  return page === undefined ? missing('page', call.params.id!) : handle(page)
}

function withBlock(call: NotionCall, handle: (block: NotionBlock) => Answer): Answer {
  const block = call.workspace.blocks.get(uuid(call.params.id!))
  return block === undefined ? missing('block', call.params.id!) : handle(block)
}

function search(call: NotionCall): Answer {
  const { workspace, version, body } = call
  const query = typeof body.query === 'string' ? body.query.toLowerCase() : ''
  const filter = body.filter as { property?: string; value?: string } | undefined
  const container = version < dataSourceVersion ? 'database' : 'data_source'
  if (filter !== undefined && (filter.property !== 'object' || !['page', container].includes(filter.value ?? ''))) {
    return invalid(`body.filter.value should be "page" or "${container}".`)
  }
  const sort = body.sort as { direction?: string; timestamp?: string } | undefined
  const pages = [...workspace.pages.values()]
    .filter(page => !page.isArchived && titleOf(page).toLowerCase().includes(query))
    .map(page => pageShape(workspace, page, version))
  const containers = [...workspace.databases.values()]
    .filter(database => database.title.toLowerCase().includes(query))
    .map(database =>
      version < dataSourceVersion ? databaseShape(workspace, database, version) : dataSourceShape(workspace, database),
    )
  const found = [
    ...(filter?.value === container ? [] : pages),
    ...(filter?.value === 'page' ? [] : containers),
  ] as NotionObject[]
  const sign = sort?.direction === 'ascending' ? 1 : -1
  found.sort((a, b) => sign * String(a.last_edited_time).localeCompare(String(b.last_edited_time)))
  return list(call, version < dataSourceVersion ? 'page_or_database' : 'page_or_data_source', found)
}

function queryRows(call: NotionCall, databaseId: string): Answer {
  const { workspace, body } = call
  if (!workspace.databases.has(databaseId)) return missing('database', call.params.id!)
  const rows = [...workspace.pages.values()].filter(
    page => page.parent.kind === 'database' && page.parent.id === databaseId && !page.isArchived,
  )
  const passing = rows.filter(page => passesFilter(page, body.filter as NotionObject | undefined))
  const sorts = Array.isArray(body.sorts) ? (body.sorts as NotionObject[]) : []
  return list(
    call,
    'page_or_database',
    sortRows(passing, sorts).map(page => pageShape(workspace, page, call.version)),
  )
}
