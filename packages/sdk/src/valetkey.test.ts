import { afterEach, beforeEach, expect, test } from 'vitest'
import { problem, startWireServer, type WireServer } from '../test/wire-server.ts'
import { Valetkey, ValetkeyError } from './valetkey.ts'

let server: WireServer
let vault: Valetkey

beforeEach(async () => {
  server = await startWireServer()
  server.live.add('t')
  vault = new Valetkey({ url: server.url, token: 't' })
})
afterEach(() => server.close())

const asked = () => server.seen.map(({ method, target }) => `${method} ${target}`)

test('every subject asks the route of the contract', async () => {
  server.route = ({ method }) => ({ status: method === 'POST' ? 201 : 200, json: { id: 'x', data: [] } })
  const user = { external_id: 'alice' }
  const at = '2031-01-01T00:00:00Z'
  const calls = [
    () => vault.providers.list().page(),
    () => vault.providers.get('slack'),
    () => vault.integrations.create({ provider: 'slack' }),
    () => vault.integrations.update('int_1', { name: 'n' }),
    () => vault.users.create(user),
    () => vault.users.get('usr_1'),
    () => vault.apps.create({ name: 'a', scopes: [], return_to_urls: [] }),
    () => vault.agents.create({ name: 'a' }),
    () => vault.agents.delete('agt_1'),
    () => vault.connectSessions.create({ user, integration: 'int_1' }),
    () => vault.connectSessions.get('ses_1'),
    () => vault.connectSessions.complete('ses_1', { completion_code: 'c', user }),
    () => vault.connections.list({ user_external_id: 'alice', status: 'active' }).page({ limit: 2 }),
    () => vault.connections.get('con_1'),
    () => vault.connections.create({ integration: 'int_1', kind: 'client_credentials' }),
    () => vault.connections.refresh('con_1'),
    () => vault.connections.check('con_1'),
    () => vault.connections.delete('con_1'),
    () =>
      vault.grants.create({ agent: 'agt_1', connection: 'con_1', permissions: ['slack:messages:*'], expires_at: at }),
    () => vault.grants.revoke('grt_1'),
    () => vault.tasks.create({ agent: 'agt_1', user, purpose: 'p', expires_at: at }),
    () => vault.tasks.end('tsk_1'),
    () => vault.decisions.ask({ connection: 'con_1', method: 'GET', path: '/x' }),
    () => vault.operations.call('slack.users.list', { input: {} }),
    () => vault.audit.events({ type: 'access.denied' }).page({ cursor: 'c' }),
  ]
  for (const call of calls) await call()
  expect(asked()).toEqual([
    'GET /v1/providers',
    'GET /v1/providers/slack',
    'POST /v1/integrations',
    'PATCH /v1/integrations/int_1',
    'POST /v1/users',
    'GET /v1/users/usr_1',
    'POST /v1/apps',
    'POST /v1/agents',
    'DELETE /v1/agents/agt_1',
    'POST /v1/connect-sessions',
    'GET /v1/connect-sessions/ses_1',
    'POST /v1/connect-sessions/ses_1/complete',
    'GET /v1/connections?user_external_id=alice&status=active&limit=2',
    'GET /v1/connections/con_1',
    'POST /v1/connections',
    'POST /v1/connections/con_1/refresh',
    'GET /v1/connections/con_1/check',
    'DELETE /v1/connections/con_1',
    'POST /v1/grants',
    'DELETE /v1/grants/grt_1',
    'POST /v1/tasks',
    'POST /v1/tasks/tsk_1/end',
    'POST /v1/decisions',
    'POST /v1/operations/slack.users.list/call',
    'GET /v1/audit/events?type=access.denied&cursor=c',
  ])
})

test('an id cannot climb to another route', async () => {
  server.route = () => ({ json: {} })
  await expect(vault.connections.get('..')).rejects.toThrow(TypeError)
  await expect(vault.connections.get('')).rejects.toThrow(TypeError)
  await vault.connections.get('../grants?x#y')
  expect(asked()).toEqual(['GET /v1/connections/..%2Fgrants%3Fx%23y'])
})

test('a problem document becomes a typed error with all that it says', async () => {
  server.route = () =>
    problem(403, 'grant_required', 'No live grant covers this.', {
      reasons: [{ code: 'grant_required', detail: 'd', fix: 'f' }],
      request_url: 'https://v.example/ask',
      connect_url: 'https://v.example/connect',
      required_scopes: ['a', 'b'],
      candidates: ['con_1', 'con_2'],
    })
  const error = await vault.connections.get('con_1').catch(caught => caught)
  expect(error).toBeInstanceOf(ValetkeyError)
  expect(error).toMatchObject({
    code: 'grant_required',
    status: 403,
    title: 'Title of grant_required',
    message: 'No live grant covers this.',
    requestId: 'req-1',
    reasons: [{ code: 'grant_required', detail: 'd', fix: 'f' }],
    requestUrl: 'https://v.example/ask',
    connectUrl: 'https://v.example/connect',
    requiredScopes: ['a', 'b'],
    candidates: ['con_1', 'con_2'],
  })
  expect(ValetkeyError.is(error, 'grant_required')).toBe(true)
  expect(ValetkeyError.is(error, 'not_found')).toBe(false)
})

test('faults of a body and the time to wait are told', async () => {
  server.route = () =>
    problem(400, 'validation_failed', 'No.', { errors: [{ pointer: '/name', detail: 'is missing' }] })
  await expect(vault.agents.create({ name: '' })).rejects.toMatchObject({
    errors: [{ pointer: '/name', detail: 'is missing' }],
  })
  server.route = () => {
    const answer = problem(429, 'rate_limited', 'Slower.')
    return { ...answer, headers: { ...answer.headers, 'retry-after': '7' } }
  }
  await expect(vault.agents.list().page()).rejects.toMatchObject({ code: 'rate_limited', retryAfterSeconds: 7 })
})

test('an answer that is none of Valetkey is told as such', async () => {
  server.route = () => ({ status: 502, text: '<html>Bad gateway</html>' })
  await expect(vault.users.get('usr_1')).rejects.toMatchObject({ code: 'unexpected_answer', status: 502 })
  server.route = () => ({ status: 200, text: '<html>Welcome</html>' })
  await expect(vault.users.get('usr_1')).rejects.toMatchObject({ code: 'unexpected_answer' })
  server.route = () => ({ status: 302, headers: { location: 'https://evil.example/' } })
  await expect(vault.users.get('usr_1')).rejects.toMatchObject({ code: 'unreachable' })
})

test('a creating call without an answer is sent once more under the same key; nothing else that changes is', async () => {
  server.route = () => ({ drop: true })
  await expect(vault.users.create({ external_id: 'alice' })).rejects.toMatchObject({ code: 'unreachable', status: 0 })
  const keys = server.seen.map(({ headers }) => headers['idempotency-key'])
  expect(keys).toHaveLength(2)
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
  expect(keys[1]).toBe(keys[0])
  for (const call of [
    () => vault.connections.delete('con_1'),
    () => vault.connections.refresh('con_1'),
    () => vault.integrations.update('int_1', {}),
    () => vault.connectSessions.complete('ses_1', { completion_code: 'c', user: { id: 'usr_1' } }),
  ]) {
    server.seen.length = 0
    await expect(call()).rejects.toMatchObject({ code: 'unreachable' })
    expect(server.seen).toHaveLength(1)
  }
})

test('two creating calls never share a key', async () => {
  server.route = () => ({ status: 201, json: { id: 'usr_1' } })
  await vault.users.create({ external_id: 'a' })
  await vault.users.create({ external_id: 'a' })
  const [first, second] = server.seen.map(({ headers }) => headers['idempotency-key'])
  expect(first).not.toBe(second)
})

test('a task whose token was lost on the way is ended and started anew', async () => {
  let posts = 0
  server.route = ({ method, target }) => {
    if (method === 'POST' && target === '/v1/tasks') {
      posts += 1
      if (posts === 1) return { drop: true }
      if (posts === 2) return { status: 201, headers: { 'idempotency-replayed': 'true' }, json: { id: 'tsk_lost' } }
      return { status: 201, json: { id: 'tsk_new', access_token: 'a', expires_in: 600 } }
    }
    return { json: {} }
  }
  const body = { agent: 'agt_1', user: { id: 'usr_1' }, purpose: 'p', expires_at: '2031-01-01T00:00:00Z' }
  expect(await vault.tasks.create(body)).toMatchObject({ id: 'tsk_new', access_token: 'a' })
  expect(asked()).toEqual(['POST /v1/tasks', 'POST /v1/tasks', 'POST /v1/tasks/tsk_lost/end', 'POST /v1/tasks'])
})

test('a connect session whose link was lost on the way is begun anew', async () => {
  let posts = 0
  server.route = () => {
    posts += 1
    if (posts === 1) return { drop: true }
    if (posts === 2) return { status: 201, headers: { 'idempotency-replayed': 'true' }, json: { id: 'ses_lost' } }
    return { status: 201, json: { id: 'ses_new', connect_url: 'https://v.example/connect/x' } }
  }
  const body = { user: { id: 'usr_1' }, integration: 'int_1' }
  expect(await vault.connectSessions.create(body)).toMatchObject({ id: 'ses_new' })
  const keys = server.seen.map(({ headers }) => headers['idempotency-key'])
  expect(keys[1]).toBe(keys[0])
  expect(keys[2]).not.toBe(keys[0])
})

test('a list is walked page by page, and no further than asked', async () => {
  server.route = ({ target }) => {
    const at = Number(new URL(target, server.url).searchParams.get('cursor') ?? 0)
    return { json: { data: [{ id: `u${at}` }, { id: `u${at + 1}` }], next_cursor: at < 4 ? String(at + 2) : null } }
  }
  const ids: string[] = []
  for await (const { id } of vault.users.list()) ids.push(id)
  expect(ids).toEqual(['u0', 'u1', 'u2', 'u3', 'u4', 'u5'])
  server.seen.length = 0
  expect(await vault.users.list().toArray(2)).toHaveLength(2)
  expect(asked()).toEqual(['GET /v1/users?limit=2'])
})

test('a server that repeats its cursor is not walked for ever', async () => {
  server.route = () => ({ json: { data: [{ id: 'u' }], next_cursor: 'same' } })
  expect(await vault.users.list().toArray()).toHaveLength(2)
})

test('a call that takes too long is given up', async () => {
  server.raw = () => true
  const hurried = new Valetkey({ url: server.url, token: 't', timeoutMs: 30 })
  await expect(hurried.connections.delete('con_1')).rejects.toMatchObject({ code: 'unreachable' })
})
