import { afterEach, expect, test } from 'vitest'
import { type AppAtProvider, closeAll, startApp } from '../app-at-provider.ts'
import type { TestProviderOptions } from '../test-provider.ts'

afterEach(closeAll)

const start = (options: TestProviderOptions = {}) => startApp({ vendor: 'notion', ...options })
const tokenOf = (app: AppAtProvider, user = 'alice') => app.provider.issueTokens(user, 'app').accessToken

async function ask(
  app: AppAtProvider,
  token: string,
  method: string,
  path: string,
  body?: object,
  version = '2022-06-28',
) {
  const response = await app.call(path, token, {
    method,
    headers: { 'notion-version': version, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

test('Notion takes Basic and JSON, and answers the workspace and its owner without expiry or scope', async () => {
  const app = await start()
  const answer = await app.connect('bob', { owner: 'user', scope: undefined })
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({
    token_type: 'bearer',
    workspace_name: "Bob's workspace",
    owner: { type: 'user', user: { object: 'user', name: 'Bob Baker', person: { email: 'bob@example.com' } } },
  })
  expect(answer.body.bot_id).toMatch(/^[0-9a-f-]{36}$/)
  expect(Object.keys(answer.body)).not.toEqual(expect.arrayContaining(['expires_in']))
  expect(answer.body).not.toHaveProperty('scope')
  const me = await ask(app, answer.body.access_token, 'GET', '/v1/users/me')
  expect(me.body).toMatchObject({
    type: 'bot',
    id: answer.body.bot_id,
    bot: { workspace_id: answer.body.workspace_id },
  })
  const renewed = await app.refresh(answer.body.refresh_token)
  expect(renewed.body.refresh_token).not.toBe(answer.body.refresh_token)
  expect((await app.refresh(answer.body.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
})

test('errors have the bodies of Notion, and the version header is demanded', async () => {
  const app = await start({
    clients: [{ id: 'app', secret: 'x', scopes: ['read_content'], redirectUris: [] }],
  })
  const token = tokenOf(app)
  const unversioned = await app.call('/v1/users/me', token)
  expect([unversioned.status, (await unversioned.json()).code]).toEqual([400, 'missing_version'])
  expect(await ask(app, 'wrong', 'GET', '/v1/users/me')).toMatchObject({
    status: 401,
    body: { object: 'error', status: 401, code: 'unauthorized', message: 'API token is invalid.' },
  })
  expect(await ask(app, token, 'GET', '/v1/users')).toMatchObject({
    status: 403,
    body: { code: 'restricted_resource' },
  })
  expect(await ask(app, token, 'GET', '/v1/nothing')).toMatchObject({
    status: 404,
    body: { code: 'invalid_request_url' },
  })
  const unknown = '/v1/pages/00000000-0000-4000-a000-000000000000'
  expect(await ask(app, token, 'GET', unknown)).toMatchObject({ status: 404, body: { code: 'object_not_found' } })
})

test('two people search two workspaces, and neither reads a page of the other', async () => {
  const app = await start()
  const [alice, bob] = [tokenOf(app), tokenOf(app, 'bob')]
  const [hers, his] = [await ask(app, alice, 'POST', '/v1/search', {}), await ask(app, bob, 'POST', '/v1/search', {})]
  const ids = (answer: typeof hers) => answer.body.results.map((result: { id: string }) => result.id)
  expect(ids(hers)).toHaveLength(11)
  expect(ids(hers).filter((id: string) => ids(his).includes(id))).toEqual([])
  expect(JSON.stringify(hers.body)).not.toContain('Bob')
  const page = hers.body.results.find((result: { object: string }) => result.object === 'page').id
  expect((await ask(app, alice, 'GET', `/v1/pages/${page.replaceAll('-', '')}`)).status).toBe(200)
  for (const path of [`/v1/pages/${page}`, `/v1/blocks/${page}/children`, `/v1/comments?block_id=${page}`]) {
    expect((await ask(app, bob, 'GET', path)).status).toBe(404)
  }
})

test('search sorts by last edit, filters by object, finds titles and pages through cursors', async () => {
  const app = await start()
  const token = tokenOf(app)
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const body: object = {
      page_size: 4,
      filter: { property: 'object', value: 'page' },
      ...(cursor && { start_cursor: cursor }),
    }
    const page = (await ask(app, token, 'POST', '/v1/search', body)).body
    seen.push(...page.results.map((result: { last_edited_time: string }) => result.last_edited_time))
    cursor = page.next_cursor
    expect(page.has_more).toBe(cursor !== null)
  } while (cursor !== null)
  expect(seen).toHaveLength(10)
  expect(seen).toEqual([...seen].sort().reverse())
  const found = await ask(app, token, 'POST', '/v1/search', { query: 'travel' })
  expect(found.body.results).toHaveLength(1)
  expect((await ask(app, token, 'POST', '/v1/search', { start_cursor: 'nonsense' })).status).toBe(400)
})

test('a database is queried with filters and sorts; what is not offered is refused', async () => {
  const app = await start()
  const token = tokenOf(app)
  const filter = { property: 'object', value: 'database' }
  const [database] = (await ask(app, token, 'POST', '/v1/search', { filter })).body.results
  expect(database.properties.Status.type).toBe('status')
  const query = (body: object) => ask(app, token, 'POST', `/v1/databases/${database.id}/query`, body)
  const open = await query({
    filter: {
      and: [
        { property: 'Status', status: { does_not_equal: 'Done' } },
        { property: 'Done', checkbox: { equals: false } },
      ],
    },
    sorts: [{ property: 'Due', direction: 'ascending' }],
  })
  expect(
    open.body.results.map(
      (row: { properties: { Name: { title: { plain_text: string }[] } } }) => row.properties.Name.title[0]!.plain_text,
    ),
  ).toEqual([
    'Prepare the slides (Alice)',
    'Answer the auditor (Alice)',
    'Book the venue (Alice)',
    'Send the report (Alice)',
  ])
  const since = new Date(Date.now() - 2.5 * 86_400_000).toISOString()
  const recent = { timestamp: 'last_edited_time', last_edited_time: { on_or_after: since } }
  expect((await query({ filter: recent })).body.results).toHaveLength(3)
  expect(await query({ filter: { property: 'Status', status: { past_week: {} } } })).toMatchObject({
    status: 400,
    body: { code: 'validation_error' },
  })
})

test('newer clients see data sources where older ones see databases', async () => {
  const app = await start()
  const token = tokenOf(app)
  const newer = '2025-09-03'
  const filter = { property: 'object', value: 'data_source' }
  const [source] = (await ask(app, token, 'POST', '/v1/search', { filter }, newer)).body.results
  expect(source.object).toBe('data_source')
  const rows = await ask(app, token, 'POST', `/v1/data_sources/${source.id}/query`, {}, newer)
  expect(rows.body.results[0].parent).toMatchObject({ type: 'data_source_id', data_source_id: source.id })
  const database = (await ask(app, token, 'GET', `/v1/databases/${source.parent.database_id}`, undefined, newer)).body
  expect(database.data_sources).toEqual([{ id: source.id, name: 'Tasks' }])
  expect((await ask(app, token, 'GET', `/v1/data_sources/${source.id}`, undefined, newer)).status).toBe(200)
})

test('pages, blocks and comments are created, read, changed and archived', async () => {
  const app = await start()
  const token = tokenOf(app)
  const [database] = (
    await ask(app, token, 'POST', '/v1/search', { filter: { property: 'object', value: 'database' } })
  ).body.results
  const text = (content: string) => [{ text: { content } }]
  const made = await ask(app, token, 'POST', '/v1/pages', {
    parent: { database_id: database.id },
    properties: { Name: { title: text('Written by a test') }, Done: { checkbox: true } },
    children: [{ object: 'block', type: 'paragraph', paragraph: { rich_text: text('first') } }],
  })
  expect(made.status).toBe(200)
  const { id } = made.body
  await ask(app, token, 'PATCH', `/v1/blocks/${id}/children`, {
    children: [{ type: 'to_do', to_do: { rich_text: text('second'), checked: false } }],
  })
  const children = (await ask(app, token, 'GET', `/v1/blocks/${id}/children`)).body.results
  expect(children.map((block: { type: string }) => block.type)).toEqual(['paragraph', 'to_do'])
  expect((await ask(app, token, 'DELETE', `/v1/blocks/${children[0].id}`)).body.archived).toBe(true)
  expect((await ask(app, token, 'GET', `/v1/blocks/${id}/children`)).body.results).toHaveLength(1)
  expect((await ask(app, token, 'GET', `/v1/blocks/${id}`)).body).toMatchObject({
    type: 'child_page',
    child_page: { title: 'Written by a test' },
  })
  const commented = await ask(app, token, 'POST', '/v1/comments', {
    parent: { page_id: id },
    rich_text: text('well done'),
  })
  expect(commented.body.rich_text[0].plain_text).toBe('well done')
  expect((await ask(app, token, 'GET', `/v1/comments?block_id=${id}`)).body.results).toHaveLength(1)
  const patched = await ask(app, token, 'PATCH', `/v1/pages/${id}`, {
    archived: true,
    properties: { Name: { title: text('Renamed') } },
  })
  expect(patched.body).toMatchObject({ archived: true, properties: { Name: { title: [{ plain_text: 'Renamed' }] } } })
  expect((await ask(app, token, 'POST', '/v1/search', { query: 'Renamed' })).body.results).toEqual([])
  const wrong = await ask(app, token, 'POST', '/v1/pages', {
    parent: { database_id: database.id },
    properties: { Nope: {} },
  })
  expect(wrong).toMatchObject({ status: 400, body: { code: 'validation_error' } })
})

test('a seed fills the workspace of its user', async () => {
  const app = await start({
    seed: { notion: { alice: { workspaceName: 'Lab', pages: [{ title: 'Only page', text: ['[x] seen'] }] } } },
  })
  const token = tokenOf(app)
  const { results } = (await ask(app, token, 'POST', '/v1/search', {})).body
  expect(results).toHaveLength(1)
  const blocks = (await ask(app, token, 'GET', `/v1/blocks/${results[0].id}/children`)).body.results
  expect(blocks[0]).toMatchObject({ type: 'to_do', to_do: { checked: true, rich_text: [{ plain_text: 'seen' }] } })
})

test('revocation by Notion kills the token', async () => {
  const app = await start()
  const { body } = await app.connect()
  const response = await fetch(app.provider.endpoints.revoke!, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from('app:app%3As3cret%2F%2B%25').toString('base64')}`,
    },
    body: JSON.stringify({ token: body.access_token }),
  })
  expect(response.status).toBe(200)
  expect((await ask(app, body.access_token, 'GET', '/v1/users/me')).status).toBe(401)
})
