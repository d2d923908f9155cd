import { afterEach, describe, expect, it } from 'vitest'
import { lintEntry } from '../../packages/server/src/core/catalogue/lint-entry.ts'
import type { Operation, ProviderEntry } from '../../packages/server/src/core/catalogue/provider.ts'
import { type Asked, acme, openRig, type Rig } from '../../packages/server/src/edges/http/proxy/test-rig.ts'
import type { GrantInput } from '../../packages/server/src/flows/grants/make-grant.ts'
import { makeGrant } from '../../packages/server/src/flows/grants/make-grant.ts'
import { databases } from '../databases.ts'

const mutation = (field: string, action: Operation['action']): Operation => ({
  id: `acme.${field}`,
  description: field,
  resourceType: 'items',
  action,
  routes: [],
  graphql: field,
  scopes: {},
  verified: true,
})
const endpoint = '/api/echo/graphql'
const entry: ProviderEntry = {
  ...acme,
  api: { ...acme.api, safeMethods: true, graphql: { path: endpoint } },
  operations: [
    ...acme.operations,
    mutation('addItem', 'write'),
    mutation('removeItem', 'delete'),
    mutation('shareItem', 'share'),
  ],
}

const json = { 'content-type': 'application/json' }
const everything = ['acme:*:*', 'acme:items:write', 'acme:any:*', 'acme:any:write']

describe.each(databases())('GraphQL on $name', ({ open }) => {
  let rig: Rig
  afterEach(() => rig.close())

  async function start(permissions: readonly string[], more: Partial<GrantInput> = {}) {
    rig = await openRig({ open, entry })
    const connection = await rig.connect('alice')
    const grant = (list: readonly string[]) => rig.grant(connection, { permissions: list, ...more })
    await grant(permissions)
    const { token } = await rig.task('alice')
    const sent = () => rig.provider.requests.to(/^\/api\//).length
    const ask = async (path: string, asked: Asked = {}) => {
      const before = sent()
      const answer = await rig.ask(`/proxy/${connection.id}${path}`, { token, ...asked })
      return { status: answer.status, code: answer.json?.code, json: answer.json, sent: sent() - before }
    }
    const post = (body: unknown, path = endpoint) =>
      ask(path, { method: 'POST', headers: json, body: typeof body === 'string' ? body : JSON.stringify(body) })
    return { connection, grant, token, ask, post }
  }
  const passes = { status: 200, sent: 1 }
  const refused = { status: 403, code: 'operation_not_permitted', sent: 0 }

  it('queries need {provider}:graphql:fetch, by POST, as application/graphql and by GET', async () => {
    const { ask, post } = await start(['acme:graphql:fetch'])
    const body = '{ "query": "query Q { items { id } }", "operationName": "Q", "variables": {"a": 1} }'
    const answer = await post(body)
    expect([answer.status, answer.json.body]).toEqual([200, body])
    const document = { method: 'POST', headers: { 'content-type': 'application/graphql' }, body: '{ items { id } }' }
    expect(await ask(endpoint, document)).toMatchObject(passes)
    expect(await ask(`${endpoint}?query=%7Bitems%7Bid%7D%7D`)).toMatchObject(passes)
    expect(await post({ query: 'mutation { addItem { id } }' })).toMatchObject(refused)
    const [event] = await rig.events('access.allowed')
    expect(event).toMatchObject({ operation: 'acme.graphql', resource_type: 'graphql', action: 'fetch' })
    expect(event?.http?.path_template).toBe(endpoint)
  })

  it('is opened by nothing else: no *, no any, no "paths" rule, no other spelling', async () => {
    const { ask, post } = await start(everything, { paths: [{ methods: ['GET', 'POST'], pattern: '/**' }] })
    expect(await post({ query: '{ items { id } }' })).toMatchObject(refused)
    for (const path of [
      endpoint,
      `${endpoint}/`,
      `${endpoint}.json`,
      '/api/echo/GraphQL',
      '/api/echo/%67raphql',
      `${endpoint}/x`,
    ])
      for (const asked of [{}, { method: 'POST', headers: json, body: '{"query":"{a}"}' }])
        expect([path, await ask(`${path}?query=%7Ba%7D`, asked)]).toMatchObject([path, refused])
    expect(await ask('/api/echo/other')).toMatchObject(passes)
  })

  it('mutations need the permission of every root field, in one grant, whatever alias or fragment hides it (P3)', async () => {
    const { post, grant } = await start(['acme:items:write'])
    const run = (query: string) => post({ query })
    expect(await run('mutation { addItem(x: 1) { id } }')).toMatchObject(passes)
    expect((await rig.events('access.allowed'))[0]).toMatchObject({ operation: 'acme.addItem', action: 'write' })
    expect(await run('mutation { removeItem }')).toMatchObject(refused)
    expect(await run('mutation { addItem: removeItem }')).toMatchObject(refused)
    expect(await run('mutation { addItem removeItem }')).toMatchObject(refused)
    expect(await run('mutation { addItem ...F } fragment F on Mutation { removeItem }')).toMatchObject(refused)
    expect(await run('mutation { addItem ... @skip(if: true) { removeItem } }')).toMatchObject(refused)
    expect(await run('mutation { addItem unheardOf }')).toMatchObject(refused)
    expect(await run('{ items { id } }')).toMatchObject(refused)
    // Grants never add up.
    await grant(['acme:items:delete'])
    expect(await run('mutation { removeItem }')).toMatchObject(passes)
    expect(await run('mutation { addItem removeItem }')).toMatchObject(refused)
    await grant(['acme:items:write', 'acme:items:delete'])
    expect(await run('mutation { addItem removeItem }')).toMatchObject(passes)
    const [event] = await rig.events('access.allowed')
    expect(event).toMatchObject({
      operation: 'acme.removeItem',
      facts: { operations: ['acme.addItem', 'acme.removeItem'] },
    })
    // Sharing is granted by its id alone.
    expect(await run('mutation { shareItem }')).toMatchObject(refused)
    await grant(['acme.shareItem'])
    expect(await run('mutation { shareItem }')).toMatchObject(passes)
  })

  it('takes one plain operation, and nothing of which two readers could make two (rows 23, 61)', async () => {
    const { ask, post } = await start(['acme:graphql:fetch', 'acme:items:write'])
    const query = '{ a }'
    const write = 'mutation { addItem }'
    for (const body of [
      [{ query }],
      { query, extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } },
      { id: 'x' },
      { query, documentId: 'x' },
      { query: 'query A { a } query B { b }', operationName: 'A' },
      { query, operationName: 'B' },
      { query: 'subscription { a }' },
      { query: [query] },
      {},
      `{"query":"${query}","query":"${write}"}`,
      `{"query":"${query}","Query":"${write}"}`,
      `{"query":"${query}"}{"query":"${write}"}`,
      `query=${encodeURIComponent(query)}`,
      '',
    ])
      expect([body, await post(body)]).toMatchObject([body, refused])
    expect(await post({ query }, `${endpoint}?query=${encodeURIComponent(write)}`)).toMatchObject(refused)
    const encoded = encodeURIComponent(query)
    for (const suffix of [
      `?query=${encoded}&query=${encoded}`,
      `?query=${encodeURIComponent(write)}`,
      `?query=${encoded}&extensions={}`,
      '',
    ])
      expect([suffix, await ask(`${endpoint}${suffix}`)]).toMatchObject([suffix, refused])
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16'])
      expect(
        await ask(endpoint, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify({ query }) }),
      ).toMatchObject(refused)
    expect(await ask(`${endpoint}?query=${encoded}`, { method: 'PUT' })).toMatchObject(refused)
  })

  it('is bounded: 50 deep, 5,000 tokens, 1 MiB', async () => {
    const { post } = await start(['acme:graphql:fetch'])
    expect(await post({ query: `${'{a'.repeat(51)}${'}'.repeat(51)}` })).toMatchObject(refused)
    expect(await post({ query: `{${' a'.repeat(5_000)}}` })).toMatchObject(refused)
    expect(await post({ query: `{ a(x: "${'x'.repeat(1_100_000)}") }` })).toMatchObject({ status: 413, sent: 0 })
  })

  it('is out of reach of a grant that is limited to single resources', async () => {
    const limited = {
      ...entry,
      operations: entry.operations.map(one =>
        one.id === 'acme.items.get'
          ? { ...one, resources: [{ type: 'items', in: ['path' as const], name: 'id' }] }
          : one,
      ),
    }
    rig = await openRig({ open, entry: limited })
    const connection = await rig.connect('alice')
    await rig.grant(connection, { permissions: ['acme:graphql:fetch'], resources: { items: ['a1'] } })
    const { token } = await rig.task('alice')
    const answer = await rig.ask(`/proxy/${connection.id}${endpoint}?query=%7Ba%7D`, { token })
    expect([answer.status, answer.json.code]).toEqual([403, 'operation_not_permitted'])
  })

  it('is explained by POST /v1/decisions', async () => {
    const { connection, token } = await start(['acme:graphql:fetch', 'acme:items:write'])
    const decide = async (question: object) => {
      const body = JSON.stringify({ connection: connection.id, ...question })
      return (await rig.ask('/v1/decisions', { method: 'POST', headers: json, body, token })).json
    }
    const at = { method: 'POST', path: endpoint }
    expect(await decide({ ...at, body: { query: '{ a }' } })).toMatchObject({ allowed: true, resource_type: 'graphql' })
    expect(await decide({ ...at, body: { query: 'mutation { x: removeItem }' } })).toMatchObject({ allowed: false })
    expect(await decide({ operation: 'acme.addItem' })).toMatchObject({ allowed: true, operation: 'acme.addItem' })
    const denied = await decide({ operation: 'acme.removeItem' })
    expect([denied.allowed, denied.reasons[0].fix]).toEqual([
      false,
      'Ask the owner for a grant with acme:items:delete.',
    ])
  })

  it('permissions that would cover nothing are not granted', async () => {
    const { connection } = await start(['acme:graphql:fetch'])
    const grant = makeGrant(rig.parts, rig.operator, {
      agent: rig.agent,
      connection: connection.id,
      permissions: ['acme:graphql:write'],
      paths: [],
      expiresAt: rig.parts.now() + 1_000,
      unattended: false,
    })
    await expect(grant).rejects.toMatchObject({ code: 'validation_failed' })
  })
})

describe('an entry with GraphQL', () => {
  it('is judged before it serves', () => {
    const whole = { ...entry, registration: { ...entry.registration, steps: ['Register'] } }
    expect(lintEntry(whole)).toEqual([])
    const faults = (more: Partial<ProviderEntry>) => lintEntry({ ...whole, ...more }).join('\n')
    expect(faults({ api: acme.api })).toContain('/api/graphql is missing')
    expect(faults({ operations: [mutation('a', 'write'), { ...mutation('b', 'write'), graphql: 'a' }] })).toContain(
      'twice',
    )
    const { graphql, ...plain } = mutation('a', 'write')
    expect(faults({ operations: [plain] })).toContain('at least one route')
    const routes = [{ methods: ['POST'], pattern: '/api/echo/{any}' }]
    expect(faults({ operations: [{ ...plain, routes }] })).toContain('is the GraphQL endpoint')
  })
})
