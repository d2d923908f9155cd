import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeId } from '../../packages/server/src/core/ids.ts'
import { allRoutes } from '../../packages/server/src/edges/http/api/all-routes.ts'
import type { Route } from '../../packages/server/src/edges/http/api/route.ts'
import { everyPath, idOf, onBoth, type Reply, type Rig, startRig, walk } from '../rig.ts'

/**
 * A crawler over every row of the API: with the id of a thing that belongs to somebody else each must answer as if
 * there were no such thing, to the byte (row 83, P6).
 */

type Kind = 'usr' | 'int' | 'agt' | 'app' | 'ses' | 'con' | 'grt' | 'tsk' | 'evt'
type Things = Readonly<Partial<Record<Kind, string>>>

/** Which kind of thing the `{id}` of a path names. */
const kinds: Readonly<Record<string, Kind>> = {
  users: 'usr',
  integrations: 'int',
  agents: 'agt',
  apps: 'app',
  'connect-sessions': 'ses',
  connections: 'con',
  grants: 'grt',
  tasks: 'tsk',
  'audit/events': 'evt',
}

/** A body that a route accepts as far as its form goes. */
const bodies: Readonly<Record<string, unknown>> = {
  'PATCH /v1/integrations/{id}': { name: 'Renamed by a stranger' },
  'POST /v1/connect-sessions/{id}/complete': { completion_code: 'A'.repeat(43), user: { external_id: 'alice' } },
}

/** Providers come from the catalogue and belong to nobody. */
const routesWithId = allRoutes.filter(route => route.path.includes('{') && !route.path.startsWith('/v1/providers/'))

function kindOf(route: Route): Kind {
  const found = Object.entries(kinds).find(([name]) => route.path.startsWith(`/v1/${name}/{id}`))
  if (found === undefined) throw new Error(`${route.path}: say in this test which kind of thing its id names`)
  return found[1]
}

function unknownId(kind: Kind): string {
  return makeId(kind, Date.now(), Buffer.alloc(10, 7))
}

function reachedBy(rig: Rig, route: Route, id: string, token: string): Promise<Reply> {
  const body = bodies[`${route.method} ${route.path}`] ?? (route.body === undefined ? undefined : {})
  return rig.call(route.method, route.path.replace('{id}', id), body, {
    token,
    headers: { 'x-request-id': 'the-same-for-both' },
  })
}

async function expectLikeUnknown(rig: Rig, routes: readonly Route[], theirs: Things, token: string): Promise<number> {
  let compared = 0
  for (const route of routes) {
    const kind = kindOf(route)
    const id = theirs[kind]
    if (id === undefined) continue
    const name = `${route.method} ${route.path}`
    const unknown = await reachedBy(rig, route, unknownId(kind), token)
    const foreign = await reachedBy(rig, route, id, token)
    expect([name, unknown.status, unknown.body.code]).toEqual([name, 404, 'not_found'])
    expect([name, foreign.status, foreign.text]).toEqual([name, 404, unknown.text])
    expect([...foreign.headers.keys()].sort()).toEqual([...unknown.headers.keys()].sort())
    compared++
  }
  return compared
}

describe.each(onBoth)('what belongs to somebody else on $database', ({ database }) => {
  let rig: Rig
  let integration: string
  let agent: Awaited<ReturnType<Rig['agent']>>
  let bobsConnection: string
  let bobsGrant: string
  let bobsSession: string
  let bobsTask: string
  let aliceConnection: string
  let aliceToken: string
  beforeAll(async () => {
    rig = await startRig({ database })
    const made = await rig.provider()
    integration = made.integration
    await rig.user('alice')
    await rig.user('bob')
    agent = await rig.agent()
    aliceConnection = await rig.connect({ user: 'alice', ...made })
    bobsConnection = await rig.connect({ user: 'bob', ...made })
    await rig.grant({ agent: agent.id, connection: aliceConnection, paths: everyPath })
    bobsGrant = await rig.grant({ agent: agent.id, connection: bobsConnection, paths: everyPath })
    bobsTask = (await rig.task(agent.id, 'bob')).id
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'bob' },
      integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    bobsSession = idOf(opened)
    aliceToken = (await rig.task(agent.id, 'alice')).token
  })
  afterAll(() => rig.close())

  it('is unknown to a token with a user: the same agent’s token for alice finds nothing of bob (row 83, P6)', async () => {
    const routes = routesWithId.filter(route => route.clients.includes('agent'))
    const theirs = { con: bobsConnection, grt: bobsGrant, ses: bobsSession, tsk: bobsTask }
    expect(await expectLikeUnknown(rig, routes, theirs, aliceToken)).toBeGreaterThanOrEqual(6)
  })

  it('is in no listing of a token with a user (P6)', async () => {
    for (const path of [
      '/v1/connections',
      '/v1/connections?user_external_id=bob',
      '/v1/grants',
      '/v1/grants?user_external_id=bob',
    ]) {
      const listed = await rig.call('GET', path, undefined, { token: aliceToken })
      expect([path, listed.status]).toEqual([path, 200])
      for (const id of [bobsConnection, bobsGrant]) expect(listed.text).not.toContain(id)
    }
    const own = await rig.call('GET', '/v1/connections', undefined, { token: aliceToken })
    expect(own.body.data.map((row: { id: string }) => row.id)).toEqual([aliceConnection])
  })

  it('cannot be decided about: bob’s connection is as unknown as one that never was (row 83, P6)', async () => {
    const ask = (connection: string) =>
      rig.call(
        'POST',
        '/v1/decisions',
        { connection, method: 'GET', path: '/api/items' },
        { token: aliceToken, headers: { 'x-request-id': 'the-same-for-both' } },
      )
    const own = await ask(aliceConnection)
    expect([own.status, own.body.allowed]).toEqual([200, true])
    const unknown = await ask(unknownId('con'))
    const foreign = await ask(bobsConnection)
    expect([foreign.status, foreign.text]).toEqual([unknown.status, unknown.text])
    expect(foreign.body.allowed ?? false).toBe(false)
  })

  it('is unknown to another agent, with its own token and with one for the same user (row 83)', async () => {
    const other = await rig.agent('Other')
    const routes = routesWithId.filter(route => route.clients.includes('agent'))
    const theirs = { con: bobsConnection, grt: bobsGrant, tsk: bobsTask }
    const forBob = (await rig.task(other.id, 'bob')).token
    for (const token of [await rig.token(other), forBob])
      expect(await expectLikeUnknown(rig, routes, theirs, token)).toBeGreaterThanOrEqual(5)
  })

  it('is unknown to a token without a user, unless it was granted unattended (CONTRACT 5)', async () => {
    const token = await rig.token(agent)
    const before = await rig.call('GET', `/v1/connections/${bobsConnection}`, undefined, { token })
    expect(before.status).toBe(404)
    const unattended = await rig.grant({
      agent: agent.id,
      connection: bobsConnection,
      paths: everyPath,
      unattended: true,
    })
    const during = await rig.call('GET', `/v1/connections/${bobsConnection}`, undefined, { token })
    expect(during.status).toBe(200)
    await rig.asOperator('DELETE', `/v1/grants/${unattended}`)
    const after = await rig.call('GET', `/v1/connections/${bobsConnection}`, undefined, { token })
    expect([after.status, after.body.code]).toEqual([404, 'not_found'])
  })

  it('cannot be opened for: an agent’s token for alice opens no connect session and no task for bob (row 2)', async () => {
    const session = await rig.call(
      'POST',
      '/v1/connect-sessions',
      { user: { external_id: 'bob' }, integration },
      { token: aliceToken },
    )
    expect([session.status, session.body.errors?.[0].pointer]).toEqual([400, '/user'])
    const expiresAt = new Date(rig.now() + 60_000).toISOString()
    const task = (user: string) =>
      rig.call(
        'POST',
        '/v1/tasks',
        { agent: agent.id, user: { external_id: user }, purpose: 'more', expires_at: expiresAt },
        { token: aliceToken, headers: { 'x-request-id': 'the-same-for-both' } },
      )
    const forBob = await task('bob')
    expect([forBob.status, forBob.body.errors?.[0].pointer]).toEqual([400, '/user'])
    expect((await task('nobody')).text).toBe(forBob.text)
  })
})

describe('what belongs to another tenant', () => {
  let rig: Rig
  let other: Awaited<ReturnType<Rig['secondTenant']>>
  let otherToken: string
  let own: Record<Kind, string>
  let theirs: Record<Kind, string>
  let ownAgentToken: string
  let theirLink: string
  const asOther = (method: string, path: string, body?: unknown) =>
    rig.call(method, path, body, { token: otherToken, base: other.base })

  beforeAll(async () => {
    rig = await startRig({ database: 'postgres', egressAllow: '127.0.0.0/8,branch@127.0.0.0/8' })
    other = await rig.secondTenant('branch')
    otherToken = await rig.token(other.operator, other.base)

    const made = await rig.provider()
    await rig.user('alice')
    const agent = await rig.agent()
    const connection = await rig.connect({ user: 'alice', ...made })
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: made.integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    const ownTask = await rig.task(agent.id, 'alice')
    ownAgentToken = ownTask.token
    own = {
      usr: await rig.user('alice'),
      int: made.integration,
      agt: agent.id,
      app: (await rig.app()).id,
      ses: idOf(opened),
      con: connection,
      grt: await rig.grant({ agent: agent.id, connection, paths: everyPath }),
      tsk: ownTask.id,
      evt: (await rig.asOperator('GET', '/v1/audit/events?limit=1')).body.data[0].id,
    }

    const user = idOf(await asOther('POST', '/v1/users', { external_id: 'alice' }))
    const integration = idOf(
      await asOther('POST', '/v1/integrations', {
        provider: 'generic-oidc',
        client_id: 'their-client',
        client_secret: 'their-secret-0123456789abcdef',
        overrides: { issuer: made.provider.issuer },
      }),
    )
    made.provider.addClient({
      id: 'their-client',
      secret: 'their-secret-0123456789abcdef',
      redirectUris: [`${other.base}/callback/${integration}`],
    })
    const theirAgent = idOf(await asOther('POST', '/v1/agents', { name: 'Theirs' }))
    const session = await asOther('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration,
      scopes: ['openid', 'items:read'],
      return_to: 'http://127.0.0.1:9/done',
    })
    const returned = await walk(session.body.connect_url, made.provider, 'alice')
    const completed = await asOther('POST', `/v1/connect-sessions/${session.body.id}/complete`, {
      completion_code: returned.searchParams.get('completion_code'),
      user: { external_id: 'alice' },
    })
    const soon = new Date(rig.now() + 3_600_000).toISOString()
    const theirConnection = idOf(completed)
    const task = await asOther('POST', '/v1/tasks', {
      agent: theirAgent,
      user: { external_id: 'alice' },
      purpose: 'theirs',
      expires_at: soon,
    })
    const pending = await asOther('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    theirLink = pending.body.connect_url.split('/connect/')[1]
    theirs = {
      usr: user,
      int: integration,
      agt: theirAgent,
      app: idOf(await asOther('POST', '/v1/apps', { name: 'Theirs', scopes: ['users:read'] })),
      ses: idOf(pending),
      con: theirConnection,
      grt: idOf(
        await asOther('POST', '/v1/grants', {
          agent: theirAgent,
          connection: theirConnection,
          paths: everyPath,
          expires_at: soon,
        }),
      ),
      tsk: idOf(task),
      evt: (await asOther('GET', '/v1/audit/events?limit=1')).body.data[0].id,
    }
  })
  afterAll(() => rig.close())

  it('answers every route with an id like an unknown one, to the byte (rows 3, 83, P6)', async () => {
    const forOperators = routesWithId.filter(route => route.clients.includes('operator'))
    const forAgentsOnly = routesWithId.filter(route => !route.clients.includes('operator'))
    const compared =
      (await expectLikeUnknown(rig, forOperators, theirs, await rig.token())) +
      (await expectLikeUnknown(rig, forAgentsOnly, theirs, ownAgentToken))
    expect(compared).toBe(routesWithId.length)
    // Nothing of theirs was touched by the attempts.
    for (const [path, id] of [
      ['connections', theirs.con],
      ['grants', theirs.grt],
      ['integrations', theirs.int],
      ['tasks', theirs.tsk],
      ['agents', theirs.agt],
    ] as const) {
      const row = await asOther('GET', `/v1/${path}/${id}`)
      expect([path, row.status]).toEqual([path, 200])
      if ('status' in row.body) expect(['active', 'ready']).toContain(row.body.status)
    }
  })

  it('is in no listing, whatever is filtered for (row 83, P6)', async () => {
    const listings = [
      ...allRoutes
        .filter(route => route.method === 'GET' && route.query !== undefined && route.clients.includes('operator'))
        .map(route => route.path),
      `/v1/connections?user=${theirs.usr}`,
      `/v1/connections?integration=${theirs.int}`,
      `/v1/grants?agent=${theirs.agt}`,
      `/v1/grants?connection=${theirs.con}`,
      `/v1/audit/events?user=${theirs.usr}`,
      `/v1/audit/events?agent=${theirs.agt}`,
      `/v1/audit/events?connection=${theirs.con}`,
    ]
    expect(listings.length).toBeGreaterThan(12)
    for (const path of listings) {
      const listed = await rig.asOperator('GET', path)
      expect([path, listed.status]).toEqual([path, 200])
      for (const id of Object.values(theirs)) expect([path, listed.text.includes(id)]).toEqual([path, false])
      const mirror = await rig.call('GET', path, undefined, { token: otherToken, base: other.base })
      for (const id of Object.values(own)) expect([path, mirror.text.includes(id)]).toEqual([path, false])
    }
  })

  it('cannot be named in a body: 400 at its pointer, the same bytes as for an unknown id (rows 3, 83)', async () => {
    const soon = new Date(rig.now() + 3_600_000).toISOString()
    const grant = { agent: own.agt, connection: own.con, paths: everyPath, expires_at: soon }
    const session = { user: { external_id: 'alice' }, integration: own.int, return_to: 'http://127.0.0.1:9/done' }
    const task = { agent: own.agt, user: { external_id: 'alice' }, purpose: 'x', expires_at: soon }
    const cases: readonly [string, (id: string) => unknown, Kind, string][] = [
      ['/v1/grants', id => ({ ...grant, agent: id }), 'agt', '/agent'],
      ['/v1/grants', id => ({ ...grant, connection: id }), 'con', '/connection'],
      ['/v1/grants', id => ({ ...grant, user: { id } }), 'usr', '/user'],
      ['/v1/grants', id => ({ ...grant, task: id }), 'tsk', '/task'],
      ['/v1/connect-sessions', id => ({ ...session, integration: id }), 'int', '/integration'],
      ['/v1/connect-sessions', id => ({ ...session, user: { id } }), 'usr', '/user'],
      ['/v1/connect-sessions', id => ({ ...session, connection: id }), 'con', '/connection'],
      ['/v1/tasks', id => ({ ...task, agent: id }), 'agt', '/agent'],
      ['/v1/tasks', id => ({ ...task, user: { id } }), 'usr', '/user'],
      ['/v1/agents', id => ({ name: 'x', user: { id } }), 'usr', '/user'],
    ]
    for (const [path, body, kind, pointer] of cases) {
      const attempt = async (id: string) =>
        rig.call('POST', path, body(id), {
          token: await rig.token(),
          headers: { 'x-request-id': 'the-same-for-both' },
        })
      const foreign = await attempt(theirs[kind])
      expect([path, pointer, foreign.status, foreign.body.errors?.[0].pointer]).toEqual([path, pointer, 400, pointer])
      expect(foreign.text).toBe((await attempt(unknownId(kind))).text)
    }
  })

  it('is not opened by a token of ours, nor ours by one of theirs: 401 invalid_token (rows 8, 83)', async () => {
    const ownToken = await rig.token()
    for (const route of allRoutes) {
      const path = route.path.replace('{id}', unknownId('con'))
      for (const [token, base] of [
        [otherToken, rig.url],
        [ownToken, other.base],
        [ownAgentToken, other.base],
      ] as const) {
        const answer = await rig.call(route.method, path, route.body === undefined ? undefined : {}, { token, base })
        expect([route.method, path, answer.status]).toEqual([route.method, path, 401])
        expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
      }
    }
  })

  it('has clients of its own: ours cannot sign in at its token endpoint (row 31)', async () => {
    for (const [client, base] of [
      [rig.operator, other.base],
      [other.operator, rig.url],
    ] as const) {
      const answer = await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
        base,
        headers: {
          authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      })
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
    }
  })

  it('has connect links and callbacks of its own: at our base URL they are unknown (rows 1, 83)', async () => {
    const at = async (path: string) => {
      const answer = await fetch(`${rig.url}${path}`, { headers: { 'x-request-id': 'the-same-for-both' } })
      return [answer.status, await answer.text()]
    }
    expect(await at(`/connect/${theirLink}`)).toEqual(await at(`/connect/${'A'.repeat(theirLink.length)}`))
    expect((await at(`/connect/${theirLink}`))[0]).toBeGreaterThanOrEqual(400)
    expect((await fetch(`${other.base}/connect/${theirLink}`)).status).toBe(200)
    expect(await at(`/callback/${theirs.int}?code=x&state=y`)).toEqual(
      await at(`/callback/${unknownId('int')}?code=x&state=y`),
    )
  })

  it('of an unknown slug, or a slug in other spelling, is 404 without a word about tenants', async () => {
    for (const path of ['/t/nobody/v1/users', '/t/nobody/oauth/token', '/t/BRANCH/healthz', '/t//v1/users']) {
      const answer = await rig.call('GET', path, undefined, { token: otherToken })
      expect([path, answer.status]).toEqual([path, 404])
      expect(answer.text).not.toMatch(/tenant/i)
    }
  })
})
