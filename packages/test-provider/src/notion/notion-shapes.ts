import type {
  NotionBlock,
  NotionComment,
  NotionDatabase,
  NotionObject,
  NotionPage,
  NotionWorkspace,
} from './notion-workspace.ts'
import { richText } from './notion-workspace.ts'

/** From this version on rows hang under data sources instead of databases. */
export const dataSourceVersion = '2025-09-03'

const byBot = (workspace: NotionWorkspace) => ({ object: 'user', id: workspace.botId })
const addressOf = (id: string) => `https://www.notion.so/${id.replaceAll('-', '')}`

/** A page as the API shows it to a client of that version. */
export function pageShape(workspace: NotionWorkspace, page: NotionPage, version: string): NotionObject {
  return {
    object: 'page',
    id: page.id,
    created_time: page.createdAt,
    last_edited_time: page.editedAt,
    created_by: byBot(workspace),
    last_edited_by: byBot(workspace),
    cover: null,
    icon: null,
    parent: parentShape(workspace, page, version),
    archived: page.isArchived,
    in_trash: page.isArchived,
    properties: page.properties,
    url: addressOf(page.id),
    public_url: null,
  }
}

function parentShape(workspace: NotionWorkspace, page: NotionPage, version: string): NotionObject {
  if (page.parent.kind === 'workspace') return { type: 'workspace', workspace: true }
  if (page.parent.kind === 'page') return { type: 'page_id', page_id: page.parent.id }
  const database = workspace.databases.get(page.parent.id)!
  return version < dataSourceVersion
    ? { type: 'database_id', database_id: database.id }
    : { type: 'data_source_id', data_source_id: database.dataSourceId, database_id: database.id }
}

/** A database. Newer clients see its data sources, older ones its properties. */
export function databaseShape(workspace: NotionWorkspace, database: NotionDatabase, version: string): NotionObject {
  return {
    object: 'database',
    id: database.id,
    ...frame(workspace, database),
    title: richText(database.title),
    parent: { type: 'workspace', workspace: true },
    is_inline: false,
    ...(version < dataSourceVersion
      ? { properties: database.properties }
      : { data_sources: [{ id: database.dataSourceId, name: database.title }] }),
  }
}

/** The data source of a database. */
export function dataSourceShape(workspace: NotionWorkspace, database: NotionDatabase): NotionObject {
  return {
    object: 'data_source',
    id: database.dataSourceId,
    ...frame(workspace, database),
    title: richText(database.title),
    parent: { type: 'database_id', database_id: database.id },
    database_parent: { type: 'workspace', workspace: true },
    properties: database.properties,
  }
}

function frame(workspace: NotionWorkspace, database: NotionDatabase): NotionObject {
  return {
    created_time: database.createdAt,
    last_edited_time: database.editedAt,
    created_by: byBot(workspace),
    last_edited_by: byBot(workspace),
    cover: null,
    icon: null,
    description: [],
    archived: false,
    in_trash: false,
    url: addressOf(database.id),
    public_url: null,
  }
}

/** A block, its own content under its type's name. */
export function blockShape(workspace: NotionWorkspace, block: NotionBlock): NotionObject {
  return {
    object: 'block',
    id: block.id,
    parent: workspace.pages.has(block.parentId)
      ? { type: 'page_id', page_id: block.parentId }
      : { type: 'block_id', block_id: block.parentId },
    created_time: block.createdAt,
    last_edited_time: block.editedAt,
    created_by: byBot(workspace),
    last_edited_by: byBot(workspace),
    has_children: [...workspace.blocks.values()].some(other => other.parentId === block.id && !other.isArchived),
    archived: block.isArchived,
    in_trash: block.isArchived,
    type: block.type,
    [block.type]: block.content,
  }
}

/** A page as a block of type `child_page`, for clients that walk the tree from a page's id. */
export function pageBlockShape(workspace: NotionWorkspace, page: NotionPage, title: string): NotionObject {
  return {
    object: 'block',
    id: page.id,
    parent: { type: 'workspace', workspace: true },
    created_time: page.createdAt,
    last_edited_time: page.editedAt,
    created_by: byBot(workspace),
    last_edited_by: byBot(workspace),
    has_children: [...workspace.blocks.values()].some(block => block.parentId === page.id && !block.isArchived),
    archived: page.isArchived,
    in_trash: page.isArchived,
    type: 'child_page',
    child_page: { title },
  }
}

export function commentShape(workspace: NotionWorkspace, comment: NotionComment): NotionObject {
  return {
    object: 'comment',
    id: comment.id,
    parent: { type: 'page_id', page_id: comment.parentId },
    discussion_id: comment.discussionId,
    created_time: comment.createdAt,
    last_edited_time: comment.createdAt,
    created_by: byBot(workspace),
    rich_text: comment.richText,
  }
}

/** The person who consented. The e-mail address needs a capability of its own. */
export function personShape({ person }: NotionWorkspace, withEmail: boolean): NotionObject {
  return {
    object: 'user',
    id: person.id,
    name: person.name,
    avatar_url: null,
    type: 'person',
    person: withEmail ? { email: person.email } : {},
  }
}

export function botShape(workspace: NotionWorkspace, withEmail: boolean): NotionObject {
  return {
    object: 'user',
    id: workspace.botId,
    name: 'Test integration',
    avatar_url: null,
    type: 'bot',
    bot: {
      owner: { type: 'user', user: personShape(workspace, withEmail) },
      workspace_id: workspace.id,
      workspace_name: workspace.name,
    },
  }
}
