import { afterEach, describe, expect, it } from 'vitest'
import type { ProviderEntry, ResourceLocation } from '../../packages/server/src/core/catalogue/provider.ts'
import type { GrantedResources } from '../../packages/server/src/core/grant.ts'
import { type Asked, acme, openRig, type Rig } from '../../packages/server/src/edges/http/proxy/test-rig.ts'
import { makeGrant } from '../../packages/server/src/flows/grants/make-grant.ts'
import { databases } from '../databases.ts'
import { startRig } from '../rig.ts'

const item: ResourceLocation = { type: 'items', in: ['query', 'form', 'json'], name: 'item' }
const echo = (id: string, methods: readonly string[], resources?: readonly ResourceLocation[]) => ({
  id: `acme.${id}`,
  description: id,
  resourceType: 'items',
  action: 'fetch' as const,
  routes: [{ methods, pattern: `/api/echo/${id}` }],
  scopes: {},
  verified: true,
  ...(resources !== undefined && { resources }),
})

/** Acme with operations that say where their resources stand, and one that does not. */
const entry: ProviderEntry = {
  ...acme,
  api: { ...acme.api, requestHeaders: ['acme-arg'], safeMethods: true },
  resourceTypes: { items: { words: 'items' }, boxes: { words: 'boxes' }, things: { words: 'things' } },
  operations: [
    echo('history', ['GET', 'POST'], [item]),
    echo('plain', ['GET', 'POST']),
    echo('header', ['GET'], [{ type: 'items', in: ['header'], header: 'acme-arg', pointer: '/item' }]),
    echo('move', ['POST'], [item, { type: 'boxes', in: ['json'], pointer: '/to/box' }]),
    {
      ...echo('item', ['GET'], [{ type: 'items', in: ['path'], name: 'id' }]),
      routes: [{ methods: ['GET'], pattern: '/api/echo/items/{id}' }],
    },
    echo('items', ['GET']),
  ],
}

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }

let rig: Rig
afterEach(() => rig.close())

describe.each(databases())('a grant that is limited to single resources, on $name', ({ open }) => {
  async function start(
    resources: GrantedResources = { items: ['a1'] },
    permissions = ['acme:items:*', 'acme:any:fetch'],
  ) {
    rig = await openRig({ open, entry })
    const connection = await rig.connect('alice')
    const grant = await rig.grant(connection, {
      permissions,
      resources,
      paths: [{ methods: ['GET', 'POST'], pattern: '/api/echo/**' }],
    })
    const { token } = await rig.task('alice')
    const sent = () => rig.provider.requests.to(/^\/api\//).length
    const ask = async (path: string, asked: Asked = {}) => {
      const before = sent()
      const answer = await rig.ask(`/proxy/${connection.id}${path}`, { token, ...asked })
      return { status: answer.status, code: answer.json?.code, json: answer.json, sent: sent() - before }
    }
    return { connection, grant, token, ask }
  }
  const passes = { status: 200, sent: 1 }
  const refused = { status: 403, code: 'operation_not_permitted', sent: 0 }

  it('passes what is listed in path, query, form, JSON or header, byte for byte (rows 61, 23)', async () => {
    const { ask } = await start()
    expect(await ask('/api/echo/items/a1')).toMatchObject(passes)
    const query = '?item=a1&x=%7e+%41'
    const echoed = await ask(`/api/echo/history${query}`)
    expect(echoed).toMatchObject(passes)
    expect(rig.provider.requests.to('/api/echo/history').at(-1)?.target).toBe(`/api/echo/history${query}`)
    const body = '{ "item" : "a1", "text": "\\u00e9" }'
    const posted = await ask('/api/echo/history', { method: 'POST', headers: json, body })
    expect([posted.status, posted.json.body]).toEqual([200, body])
    expect(await ask('/api/echo/history', { method: 'POST', headers: form, body: 'item=a1&text=x' })).toMatchObject(
      passes,
    )
    expect(await ask('/api/echo/header', { headers: { 'acme-arg': '{"item":"a1"}' } })).toMatchObject(passes)
  })

  it('refuses what is not listed, what names nothing, and what cannot say so, and nothing is sent (row 61)', async () => {
    const { ask } = await start()
    for (const path of [
      '/api/echo/items/b1',
      '/api/echo/items/A1',
      '/api/echo/items/a1%20',
      '/api/echo/items',
      '/api/echo/history',
      '/api/echo/history?item=b1',
      '/api/echo/history?item=a1,b1',
      '/api/echo/plain?item=a1',
      // Neither a "paths" rule nor {provider}:any:fetch tells which resource a call is on.
      '/api/echo/uncatalogued?item=a1',
    ])
      expect([path, await ask(path)]).toMatchObject([path, refused])
    const header = (value: string) => ask('/api/echo/header', { headers: { 'acme-arg': value } })
    for (const value of ['{"item":"b1"}', '{"item":"a1","item":"b1"}', 'a1', '{}'])
      expect([value, await header(value)]).toMatchObject([value, refused])
    const reason = (await ask('/api/echo/history?item=b1')).json.reasons[0]
    expect(reason.detail).toContain('items b1')
  })

  it('refuses whatever two readers could take for two resources (rows 61, 23)', async () => {
    const { ask } = await start()
    for (const query of [
      'item=a1&item=b1',
      'item=a1&item=a1',
      'item=a1&Item=b1',
      'item=a1&item[]=b1',
      'item=a1;item=b1',
      'item=a1&n=1&n=2',
      'item=a1&it%65m=b1',
    ])
      expect([query, await ask(`/api/echo/history?${query}`)]).toMatchObject([query, refused])
    const bodies = [
      [json, '{"item":"a1","item":"b1"}'],
      [json, '{"item":"a1","ITEM":"b1"}'],
      [json, '[{"item":"a1"}]'],
      [json, 'item=a1'],
      [form, '{"item":"a1"}'],
      [form, 'item=a1&item=b1'],
      [{}, 'item=a1'],
      [{ 'content-type': 'text/plain' }, '{"item":"a1"}'],
    ] as const
    for (const [headers, body] of bodies)
      expect([body, await ask('/api/echo/history', { method: 'POST', headers, body })]).toMatchObject([body, refused])
    const both = await ask('/api/echo/history?item=a1', { method: 'POST', headers: json, body: '{"item":"b1"}' })
    expect(both).toMatchObject(refused)
    expect(await ask('/api/echo/items/a1?id=b1')).toMatchObject(refused)
  })

  it('passes on several types only when all of them are listed', async () => {
    const { ask } = await start({ items: ['a1'], boxes: ['x'] })
    const move = (body: unknown) => ask('/api/echo/move', { method: 'POST', headers: json, body: JSON.stringify(body) })
    expect(await move({ item: 'a1', to: { box: 'x' } })).toMatchObject(passes)
    expect(await move({ item: 'a1', to: { box: 'y' } })).toMatchObject(refused)
    expect(await move({ item: 'a1' })).toMatchObject(refused)
    expect(await move({ item: 'b1', to: { box: 'x' } })).toMatchObject(refused)
  })

  it('reads no more than 1 MiB to find them', async () => {
    const { ask } = await start()
    const body = JSON.stringify({ item: 'a1', text: 'x'.repeat(1_100_000) })
    expect(await ask('/api/echo/history', { method: 'POST', headers: json, body })).toMatchObject({
      status: 413,
      sent: 0,
    })
  })

  it('pays before an unlimited one, adds up with none, and leaves to it what it does not list (P3)', async () => {
    const { ask, connection, grant } = await start()
    const wide = await rig.grant(connection, { permissions: ['acme:items:*'] })
    const used = async () => (await rig.events('access.allowed'))[0]?.grant
    expect(await ask('/api/echo/items/a1')).toMatchObject(passes)
    expect(await used()).toBe(grant.id)
    expect(await ask('/api/echo/items/a2')).toMatchObject({ sent: 1 })
    expect(await used()).toBe(wide.id)
    expect(await ask('/api/echo/history', { method: 'POST', headers: json, body: '{"item":"a1"}' })).toMatchObject(
      passes,
    )
    expect(await used()).toBe(grant.id)
    expect(await ask('/api/echo/history?item=a1&item=b1')).toMatchObject(passes)
    expect(await used()).toBe(wide.id)
  })

  it('two of them never add up to one call (P3)', async () => {
    const { ask, connection } = await start({ items: ['a1'] })
    await rig.grant(connection, { permissions: ['acme:items:*'], resources: { boxes: ['x'] } })
    const body = JSON.stringify({ item: 'b1', to: { box: 'x' } })
    expect(await ask('/api/echo/move', { method: 'POST', headers: json, body })).toMatchObject(passes)
    const neither = JSON.stringify({ item: 'b1', to: { box: 'y' } })
    expect(await ask('/api/echo/move', { method: 'POST', headers: json, body: neither })).toMatchObject(refused)
  })

  it('names on the record which resources a call was on, allowed or not', async () => {
    const { ask } = await start()
    await ask('/api/echo/items/a1')
    expect((await rig.events('access.allowed'))[0]?.resource_ids).toEqual(['a1'])
    await ask('/api/echo/items/b1')
    expect((await rig.events('access.denied'))[0]?.resource_ids).toEqual(['b1'])
    await ask('/api/echo/history', { method: 'POST', headers: json, body: '{"item":"c1"}' })
    expect((await rig.events('access.denied'))[0]?.resource_ids).toEqual(['c1'])
  })

  it('is what POST /v1/decisions answers by, from body and from input', async () => {
    const { connection, token } = await start()
    const decide = async (question: object) => {
      const body = JSON.stringify({ connection: connection.id, ...question })
      const { json: answer } = await rig.ask('/v1/decisions', { method: 'POST', headers: json, body, token })
      return answer.allowed
    }
    const history = { method: 'POST', path: '/api/echo/history' }
    expect(await decide({ ...history, body: { item: 'a1' } })).toBe(true)
    expect(await decide({ ...history, body: { item: 'b1' } })).toBe(false)
    expect(await decide({ ...history, body: 'item=a1' })).toBe(true)
    expect(await decide({ ...history, body: '{"item":"a1","item":"b1"}' })).toBe(false)
    expect(await decide({ ...history, path: '/api/echo/history?item=a1' })).toBe(true)
    expect(await decide({ method: 'GET', path: '/api/echo/items/a1' })).toBe(true)
    expect(await decide({ method: 'GET', path: '/api/echo/items/b1' })).toBe(false)
    expect(await decide({ operation: 'acme.item', input: { id: 'a1' } })).toBe(true)
    expect(await decide({ operation: 'acme.item', input: { id: 'b1' } })).toBe(false)
    expect(await decide({ operation: 'acme.item' })).toBe(false)
    expect(await decide({ operation: 'acme.history', input: { item: 'a1', limit: 3 } })).toBe(true)
    expect(await decide({ operation: 'acme.history', input: { item: 'b1' } })).toBe(false)
    expect(await decide({ operation: 'acme.items' })).toBe(false)
  })

  it('does not count when its list was changed in the database (P3)', async () => {
    const { ask, grant } = await start()
    expect(await ask('/api/echo/items/a2')).toMatchObject(refused)
    await rig.database.raw(`update grants set resources = '{"items":["a1","a2"]}' where id = '${grant.id}'`)
    rig.skip(1_000)
    expect(await ask('/api/echo/items/a2')).toMatchObject({ status: 403, code: 'grant_required', sent: 0 })
    await rig.database.raw(`update grants set resources = null where id = '${grant.id}'`)
    rig.skip(1_000)
    expect(await ask('/api/echo/items/a1')).toMatchObject({ status: 403, code: 'grant_required', sent: 0 })
  })

  it('is not made of unknown types, types without a place, or lists that are none', async () => {
    const { connection } = await start()
    const make = (resources: GrantedResources) =>
      makeGrant(rig.parts, rig.operator, {
        agent: rig.agent,
        connection: connection.id,
        permissions: ['acme:items:*'],
        paths: [],
        resources,
        expiresAt: rig.parts.now() + 1_000,
        unattended: false,
      })
    for (const [resources, pointer] of [
      [{ nothing: ['a'] }, '/resources/nothing'],
      [{ things: ['a'] }, '/resources/things'],
      [{ items: [] }, '/resources/items'],
      [{ items: ['a', 'a'] }, '/resources/items'],
      [{ items: ['a', ''] }, '/resources/items/1'],
      [{ items: ['a\n'] }, '/resources/items/0'],
      [{ items: ['x'.repeat(513)] }, '/resources/items/0'],
      [{ items: Array.from({ length: 201 }, (_, at) => `${at}`) }, '/resources'],
      [{}, '/resources'],
    ] as const) {
      const failure = await make(resources).catch(error => error)
      expect([pointer, failure.code, failure.more.errors?.[0]?.pointer]).toEqual([
        pointer,
        'validation_failed',
        pointer,
      ])
    }
  })
})

describe.each(databases())('calls that no catalogue describes, on $name', ({ open }) => {
  async function start(given: Partial<ProviderEntry['api']>, permissions: readonly string[]) {
    rig = await openRig({ open, entry: { ...entry, api: { ...entry.api, ...given } } })
    const connection = await rig.connect('alice')
    await rig.grant(connection, { permissions, paths: [{ methods: ['POST'], pattern: '/api/echo/**' }] })
    const { token } = await rig.task('alice')
    return async (path: string, asked: Asked = {}) => {
      const { status, json: answer } = await rig.ask(`/proxy/${connection.id}${path}`, { token, ...asked })
      return [status, answer?.code]
    }
  }
  const denied = [403, 'operation_not_permitted']

  it('pass as GET and HEAD by {provider}:any:fetch where the entry says that these change nothing', async () => {
    const ask = await start({ safeMethods: true }, ['acme:any:fetch'])
    expect(await ask('/api/echo/uncatalogued')).toEqual([200, undefined])
    expect(await ask('/api/echo/uncatalogued', { method: 'HEAD' })).toEqual([200, undefined])
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      expect([method, await ask('/api/echo/uncatalogued', { method })]).toEqual([method, denied])
    // Not what is catalogued in whatever spelling, no OAuth endpoint, no batch.
    for (const path of ['/api/echo/plain', '/api/echo/PLAIN', '/api/echo/plain/', '/token', '/authorize', '/batch'])
      expect([path, await ask(path)]).toEqual([path, denied])
  })

  it('do not pass so where it does not say so, or by another permission', async () => {
    const silent = await start({ safeMethods: false }, ['acme:any:fetch'])
    expect(await silent('/api/echo/uncatalogued')).toEqual(denied)
    await rig.close()
    const other = await start({ safeMethods: true }, ['acme:*:*', 'acme:any:list'])
    expect(await other('/api/echo/uncatalogued')).toEqual(denied)
  })

  it('are refused when they hold several calls, on whatever path', async () => {
    const ask = await start({}, ['acme:any:fetch'])
    const body = (type: string) => `--b\r\nContent-Type: ${type}\r\n\r\nDELETE /api/items/a1 HTTP/1.1\r\n\r\n--b--`
    const post = (type: string) =>
      ask('/api/echo/upload', {
        method: 'POST',
        headers: { 'content-type': 'multipart/mixed; boundary=b' },
        body: body(type),
      })
    expect(await post('application/http')).toEqual(denied)
    expect(await post('APPLICATION/HTTP; msgtype=request')).toEqual(denied)
    expect(await post('text/plain')).toEqual([200, undefined])
  })
})

describe('POST /v1/grants', () => {
  it('answers lists of resources that are none with 400 and their pointers, and repeats good ones', async () => {
    const app = await startRig()
    rig = { close: () => app.close() } as Rig
    await app.user('alice')
    const { provider, integration } = await app.provider()
    const connection = await app.connect({ user: 'alice', integration, provider })
    const agent = (await app.agent()).id
    const post = async (resources: unknown) => {
      const paths = [{ methods: ['GET'], pattern: '/**' }]
      const expires_at = new Date(app.now() + 3_600_000).toISOString()
      const { status, body } = await app.asOperator('POST', '/v1/grants', {
        agent,
        connection,
        paths,
        resources,
        expires_at,
      })
      return [status, body.errors?.[0]?.pointer]
    }
    for (const [resources, pointer] of [
      [{ channels: ['C1'] }, '/resources/channels'],
      [{ 'a/b': ['C1'] }, '/resources/a~1b'],
      [{ channels: 'C1' }, '/resources/channels'],
      [{ channels: [] }, '/resources/channels'],
      [{ channels: [1] }, '/resources/channels/0'],
      [['channels'], '/resources'],
      [{}, '/resources'],
    ] as const)
      expect(await post(resources)).toEqual([400, pointer])
  })
})
