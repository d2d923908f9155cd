import { type Answer, json } from '../http/exchange.ts'
import { invalid, missing, type NotionCall, uuid } from './notion-call.ts'
import { notionError } from './notion-error.ts'
import { commentShape, pageShape } from './notion-shapes.ts'
import { type NotionBlock, type NotionObject, type NotionPage, plainText, richText } from './notion-workspace.ts'

/** Makes a page under a page or as a row of a database. */
export function createPage(call: NotionCall): Answer {
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

/** Changes properties, or archives. */
export function updatePage(call: NotionCall, page: NotionPage): Answer {
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

/** Adds blocks under a page or block; nothing is added when one of them is wrong. */
export function addBlocks(call: NotionCall, parentId: string, given: unknown): NotionBlock[] | undefined {
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

/** Adds a comment to a page or to a discussion that is there. */
export function addComment(call: NotionCall): Answer {
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
