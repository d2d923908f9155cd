import type { UserOptions } from '../options.ts'
import { type NotionPageSeed, type NotionRowSeed, type NotionSeed, seededId } from './notion-seed.ts'

export type NotionObject = Record<string, unknown>

/** A page, with its blocks and comments beside it. */
export interface NotionPage {
  readonly id: string
  readonly createdAt: string
  editedAt: string
  isArchived: boolean
  readonly parent: { readonly kind: 'workspace' } | { readonly kind: 'page' | 'database'; readonly id: string }
  readonly properties: Record<string, NotionObject>
}

export interface NotionBlock {
  readonly id: string
  readonly parentId: string
  readonly createdAt: string
  editedAt: string
  isArchived: boolean
  readonly type: string
  content: NotionObject
}

export interface NotionDatabase {
  readonly id: string
  /** Since version 2025-09-03 rows belong to a data source of the database. */
  readonly dataSourceId: string
  readonly title: string
  readonly createdAt: string
  editedAt: string
  readonly properties: Readonly<Record<string, NotionObject>>
}

export interface NotionComment {
  readonly id: string
  readonly parentId: string
  readonly discussionId: string
  readonly createdAt: string
  readonly richText: readonly NotionObject[]
}

/** One user's workspace. Workspaces of two people share nothing, ids included. */
export interface NotionWorkspace {
  readonly id: string
  readonly name: string
  readonly botId: string
  readonly person: { readonly id: string; readonly name: string; readonly email: string }
  readonly pages: Map<string, NotionPage>
  readonly blocks: Map<string, NotionBlock>
  readonly databases: Map<string, NotionDatabase>
  readonly comments: NotionComment[]
  /** A fresh id, unlike that of any other workspace. */
  nextId(): string
}

/** Rich text of one plain run. */
export function richText(text: string): NotionObject[] {
  return [
    {
      type: 'text',
      text: { content: text, link: null },
      annotations: {
        bold: false,
        italic: false,
        strikethrough: false,
        underline: false,
        code: false,
        color: 'default',
      },
      plain_text: text,
      href: null,
    },
  ]
}

const statuses = ['Not started', 'In progress', 'Done']
const rowSchema: Readonly<Record<string, NotionObject>> = {
  Name: { id: 'title', name: 'Name', type: 'title', title: {} },
  Status: {
    id: 'stat',
    name: 'Status',
    type: 'status',
    status: { options: statuses.map(name => ({ id: seededId('status', name), name, color: 'default' })), groups: [] },
  },
  Due: { id: 'due1', name: 'Due', type: 'date', date: {} },
  Done: { id: 'done', name: 'Done', type: 'checkbox', checkbox: {} },
}

/** Builds a workspace of what a seed says. */
export function buildWorkspace(user: UserOptions, seed: NotionSeed, now: number): NotionWorkspace {
  let fresh = 0
  const workspace: NotionWorkspace = {
    id: seededId('workspace', user.id),
    name: seed.workspaceName ?? `${user.name}'s workspace`,
    botId: seededId('bot', user.id),
    person: { id: seededId('person', user.id), name: user.name, email: user.email },
    pages: new Map(),
    blocks: new Map(),
    databases: new Map(),
    comments: [],
    nextId() {
      fresh += 1
      return seededId('fresh', user.id, String(fresh))
    },
  }
  for (const [index, page] of (seed.pages ?? []).entries()) {
    addPage(
      workspace,
      seededId('page', user.id, String(index)),
      page,
      now,
      { kind: 'workspace' },
      {
        title: { id: 'title', type: 'title', title: richText(page.title) },
      },
    )
  }
  for (const [index, database] of (seed.databases ?? []).entries()) {
    const id = seededId('database', user.id, String(index))
    const times = database.rows.map(row => row.editedAt ?? new Date(now).toISOString()).sort()
    workspace.databases.set(id, {
      id,
      dataSourceId: seededId('data source', user.id, String(index)),
      title: database.title,
      createdAt: times[0] ?? new Date(now).toISOString(),
      editedAt: times.at(-1) ?? new Date(now).toISOString(),
      properties: rowSchema,
    })
    for (const [row, given] of database.rows.entries()) {
      addPage(
        workspace,
        seededId('row', user.id, String(index), String(row)),
        given,
        now,
        { kind: 'database', id },
        rowProperties(given),
      )
    }
  }
  return workspace
}

function rowProperties(row: NotionRowSeed): Record<string, NotionObject> {
  const status = row.status ?? 'Not started'
  return {
    Name: { id: 'title', type: 'title', title: richText(row.title) },
    Status: { id: 'stat', type: 'status', status: { id: seededId('status', status), name: status, color: 'default' } },
    Due: {
      id: 'due1',
      type: 'date',
      date: row.due === undefined ? null : { start: row.due, end: null, time_zone: null },
    },
    Done: { id: 'done', type: 'checkbox', checkbox: row.isDone ?? false },
  }
}

function addPage(
  workspace: NotionWorkspace,
  id: string,
  seed: NotionPageSeed,
  now: number,
  parent: NotionPage['parent'],
  properties: Record<string, NotionObject>,
): void {
  const at = seed.editedAt ?? new Date(now).toISOString()
  workspace.pages.set(id, { id, createdAt: at, editedAt: at, isArchived: false, parent, properties })
  for (const [index, line] of (seed.text ?? []).entries()) {
    const todo = /^\[([ x])\] (.*)$/.exec(line)
    const type = todo === null ? 'paragraph' : 'to_do'
    const content: NotionObject =
      todo === null
        ? { rich_text: richText(line), color: 'default' }
        : { rich_text: richText(todo[2]!), checked: todo[1] === 'x', color: 'default' }
    const blockId = seededId('block', id, String(index))
    workspace.blocks.set(blockId, {
      id: blockId,
      parentId: id,
      createdAt: at,
      editedAt: at,
      isArchived: false,
      type,
      content,
    })
  }
  for (const [index, comment] of (seed.comments ?? []).entries()) {
    workspace.comments.push({
      id: seededId('comment', id, String(index)),
      parentId: id,
      discussionId: seededId('discussion', id, String(index)),
      createdAt: at,
      richText: richText(comment),
    })
  }
}

/** The plain text of a page's title property. */
export function titleOf(page: NotionPage): string {
  const title = Object.values(page.properties).find(property => property.type === 'title')
  return plainText(title?.title)
}

/** The plain text of a rich text array as a client sends or reads it. */
export function plainText(runs: unknown): string {
  if (!Array.isArray(runs)) return ''
  return runs
    .map((run: { plain_text?: string; text?: { content?: string } }) => run.plain_text ?? run.text?.content ?? '')
    .join('')
}
