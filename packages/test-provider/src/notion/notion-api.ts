import { type Answer, type Exchange, json, jsonObject } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { withBearer } from '../oauth/bearer.ts'
import type { ProviderState } from '../oauth/provider-state.ts'
import type { AccessToken } from '../oauth/token-book.ts'
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
  plainText,
  richText,
  titleOf,
} from './notion-workspace.ts'
import { workspaceOf } from './workspace-of.ts'

/** What a Notion handler gets: the workspace of the token's user, and the parsed request. */
interface Call {
  readonly workspace: NotionWorkspace
  readonly version: string
  readonly exchange: Exchange
  readonly token: AccessToken
  readonly body: NotionObject
  readonly params: Readonly<Record<string, string>>
  /** The time of writes, RFC 3339. */
  readonly now: string
}

/** The main calls of `@notionhq/client`, before and after data sources. */
export function notionRoutes(state: ProviderState): readonly Route[] {
  const route = (
    method: string,
    path: string,
    capability: string | undefined,
    handle: (call: Call) => Answer,
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

const missing = (kind: string, id: string) =>
  notionError(
    404,
    'object_not_found',
    `Could not find ${kind} with ID: ${id}. Make sure the relevant pages and databases are shared with your integration.`,
  )
const invalid = (message: string) => notionError(400, 'validation_error', `body failed validation: ${message}`)
const seesEmail = (call: Call) => call.token.scopes.includes('read_user_with_email')
const usersOf = (call: Call) => [
  personShape(call.workspace, seesEmail(call)),
  botShape(call.workspace, seesEmail(call)),
]
const bySource = (call: Call) =>
  [...call.workspace.databases.values()].find(database => database.dataSourceId === uuid(call.params.id!))
const isThere = (workspace: NotionWorkspace, id: string) => workspace.pages.has(id) || workspace.blocks.has(id)
const childrenOf = (workspace: NotionWorkspace, id: string) =>
  [...workspace.blocks.values()].filter(block => block.parentId === id && !block.isArchived)

/** Notion takes ids with and without dashes. */
function uuid(id: string): string {
  const hex = id.replaceAll('-', '').toLowerCase()
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function withPage(call: Call, handle: (page: NotionPage) => Answer): Answer {
  const page = call.workspace.pages.get(uuid(call.params.id!))
  return page === undefined ? missing('page', call.params.id!) : handle(page)
}

function withBlock(call: Call, handle: (block: NotionBlock) => Answer): Answer {
  const block = call.workspace.blocks.get(uuid(call.params.id!))
  return block === undefined ? missing('block', call.params.id!) : handle(block)
}

/** A page of results; the cursor is the id of the first result of the next one. */
function list(call: Call, type: string, results: readonly NotionObject[]): Answer {
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

function search(call: Call): Answer {
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

function queryRows(call: Call, databaseId: string): Answer {
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

function createPage(call: Call): Answer {
  const { workspace, body, now } = call
  const parent = body.parent as { database_id?: string; data_source_id?: string; page_id?: string } | undefined
  const databases = [...workspace.databases.values()]
  const database = databases.find(
    ({ id, dataSourceId }) =>
      id === uuid(parent?.database_id ?? '') || dataSourceId === uuid(parent?.data_source_id ?? ''),
  )
  const parentPage = workspace.pages.get(uuid(parent?.page_id ?? ''))
  if (database === undefined && parentPage === undefined) {
    return parent === undefined
      ? invalid('body.parent should be defined.')
      : missing('page', parent.page_id ?? parent.database_id ?? parent.data_source_id ?? '')
  }
  const properties = namedProperties(database?.properties, body.properties)
  if (typeof properties === 'string') return notionError(400, 'validation_error', properties)
  const page: NotionPage = {
    id: workspace.nextId(),
    createdAt: now,
    editedAt: now,
    isArchived: false,
    parent: database === undefined ? { kind: 'page', id: parentPage!.id } : { kind: 'database', id: database.id },
    properties,
  }
  workspace.pages.set(page.id, page)
  if (body.children !== undefined && addBlocks(call, page.id, body.children) === undefined) {
    return invalid('body.children should be an array of blocks, each with a type.')
  }
  return json(200, pageShape(workspace, page, call.version))
}

function updatePage(call: Call, page: NotionPage): Answer {
  const schema = page.parent.kind === 'database' ? call.workspace.databases.get(page.parent.id)?.properties : undefined
  const changed = namedProperties(schema, call.body.properties)
  if (typeof changed === 'string') return notionError(400, 'validation_error', changed)
  Object.assign(page.properties, changed)
  const archived = call.body.archived ?? call.body.in_trash
  if (typeof archived === 'boolean') page.isArchived = archived
  page.editedAt = call.now
  return json(200, pageShape(call.workspace, page, call.version))
}

/** Properties as a client sends them, completed to what reads show; a text says what is wrong. */
function namedProperties(
  schema: Readonly<Record<string, NotionObject>> | undefined,
  given: unknown,
): Record<string, NotionObject> | string {
  const properties: Record<string, NotionObject> = {}
  for (const [name, value] of Object.entries((given ?? {}) as Record<string, NotionObject>)) {
    const known = schema === undefined ? (name === 'title' ? { id: 'title', type: 'title' } : undefined) : schema[name]
    if (known === undefined) return `${name} is not a property that exists.`
    const type = String(known.type)
    const content = Array.isArray(value) ? value : value[type]
    if (content === undefined) return `${name} is expected to be ${type}.`
    properties[name] = {
      id: known.id,
      type,
      [type]: type === 'title' ? richText(plainText(content)) : content,
    }
  }
  return properties
}

function addBlocks(call: Call, parentId: string, given: unknown): NotionBlock[] | undefined {
  if (!Array.isArray(given)) return undefined
  const added: NotionBlock[] = []
  for (const child of given as NotionObject[]) {
    const type = typeof child.type === 'string' ? child.type : Object.keys(child).find(key => key !== 'object')
    if (type === undefined || typeof child[type] !== 'object' || child[type] === null) return undefined
    const content = child[type] as NotionObject
    added.push({
      id: call.workspace.nextId(),
      parentId,
      createdAt: call.now,
      editedAt: call.now,
      isArchived: false,
      type,
      content: Array.isArray(content.rich_text)
        ? { ...content, rich_text: richText(plainText(content.rich_text)) }
        : content,
    })
  }
  for (const block of added) call.workspace.blocks.set(block.id, block)
  return added
}

function addComment(call: Call): Answer {
  const { workspace, body, now } = call
  const pageId = uuid((body.parent as { page_id?: string } | undefined)?.page_id ?? '')
  const answered = workspace.comments.find(comment => comment.discussionId === body.discussion_id)
  const parentId = answered?.parentId ?? pageId
  if (!workspace.pages.has(parentId)) return missing('page', parentId)
  if (!Array.isArray(body.rich_text)) return invalid('body.rich_text should be an array.')
  const comment = {
    id: workspace.nextId(),
    parentId,
    discussionId: answered?.discussionId ?? workspace.nextId(),
    createdAt: now,
    richText: richText(plainText(body.rich_text)),
  }
  workspace.comments.push(comment)
  return json(200, commentShape(workspace, comment))
}
