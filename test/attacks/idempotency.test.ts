import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allRoutes } from '../../packages/server/src/edges/http/api/all-routes.ts'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'

/** Who sends a creating POST again gets what was made, once, and no secret a second time (CONTRACT 3). */
describe.each(onBoth)('an Idempotency-Key on $database', ({ database }) => {
  let rig: Rig
  let bodies: Record<string, Record<string, unknown>>
  let keys = 0
  beforeAll(async () => {
    rig = await startRig({ database })
    const made = await rig.provider()
    await rig.user('alice')
    const agent = (await rig.agent()).id
    const connection = await rig.connect({ user: 'alice', ...made })
    const expires_at = new Date(rig.now() + 3_600_000).toISOString()
    bodies = {
      '/v1/users': { external_id: 'made-once' },
      '/v1/agents': { name: 'Once' },
      '/v1/apps': { name: 'Once', scopes: ['users:read'] },
      '/v1/integrations': { provider: 'slack', client_id: 'x', client_secret: 'y' },
      '/v1/connect-sessions': {
        user: { external_id: 'alice' },
        integration: made.integration,
        return_to: 'http://127.0.0.1:9/done',
      },
      '/v1/grants': { agent, connection, paths: everyPath, expires_at },
      '/v1/tasks': { agent, user: { external_id: 'alice' }, purpose: 'once', expires_at },
    }
  })
  afterAll(() => rig.close())

  const key = () => `key-${++keys}`
  const post = async (path: string, body: unknown, idempotencyKey: string, token?: string) =>
    rig.call('POST', path, body, {
      token: token ?? (await rig.token()),
      headers: { 'idempotency-key': idempotencyKey },
    })
  const secrets = ['client_secret', 'connect_url', 'access_token']

  it('works on every POST that creates', () => {
    const creating = allRoutes.filter(route => route.method === 'POST' && !route.path.includes('{'))
    const idempotent = creating.filter(route => route.idempotent !== undefined).map(route => route.path)
    expect(idempotent.sort()).toEqual(Object.keys(bodies).sort())
    expect(creating.filter(route => route.idempotent === undefined).map(route => route.path)).toEqual(['/v1/decisions'])
  })

  it.each([
    '/v1/users',
    '/v1/agents',
    '/v1/apps',
    '/v1/integrations',
    '/v1/connect-sessions',
    '/v1/grants',
    '/v1/tasks',
  ])('at %s gives the same resource again, marked, without its secrets', async path => {
    const idempotencyKey = key()
    const first = await post(path, bodies[path], idempotencyKey)
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([201, null])
    const second = await post(path, bodies[path], idempotencyKey)
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([201, 'true'])
    expect(second.headers.get('location')).toBe(first.headers.get('location'))
    const kept = Object.fromEntries(Object.entries(first.body).filter(([name]) => !secrets.includes(name)))
    expect(second.body).toEqual(kept)
    for (const name of secrets)
      if (typeof first.body[name] === 'string') expect(second.text).not.toContain(first.body[name])
    const other = await post(path, { ...bodies[path], name: 'Other', purpose: 'other' }, idempotencyKey)
    expect([400, 409]).toContain(other.status)
  })

  it('sent with another body is 409, and makes nothing', async () => {
    const idempotencyKey = key()
    expect((await post('/v1/agents', { name: 'First' }, idempotencyKey)).status).toBe(201)
    const other = await post('/v1/agents', { name: 'Second' }, idempotencyKey)
    expect([other.status, other.body.code]).toEqual([409, 'conflict'])
    const listed = await rig.asOperator('GET', '/v1/agents?limit=200')
    expect(listed.body.data.map((row: { name: string }) => row.name)).not.toContain('Second')
  })

  it('sent eight times at once makes one', async () => {
    const idempotencyKey = key()
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => post('/v1/agents', { name: 'At once' }, idempotencyKey)),
    )
    expect(new Set(answers.map(answer => answer.status))).toEqual(new Set([201]))
    expect(new Set(answers.map(answer => answer.body.id)).size).toBe(1)
    expect(answers.filter(answer => answer.body.client_secret !== undefined)).toHaveLength(1)
    expect(answers.filter(answer => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(7)
    const listed = await rig.asOperator('GET', '/v1/agents?limit=200')
    expect(listed.body.data.filter((row: { name: string }) => row.name === 'At once')).toHaveLength(1)
    const events = await rig.asOperator('GET', `/v1/audit/events?type=agent.created&agent=${answers[0]!.body.id}`)
    expect(events.body.data).toHaveLength(1)
  })

  it('belongs to one client, and to one route', async () => {
    const idempotencyKey = key()
    const app = await rig.token(await rig.app())
    const body = { external_id: 'two-clients' }
    expect((await post('/v1/users', body, idempotencyKey)).status).toBe(201)
    const byApp = await post('/v1/users', body, idempotencyKey, app)
    expect([byApp.status, byApp.headers.get('idempotency-replayed')]).toEqual([200, null])
    const otherRoute = await post('/v1/agents', { name: 'Other route' }, idempotencyKey)
    expect([otherRoute.status, otherRoute.headers.get('idempotency-replayed')]).toEqual([201, null])
  })

  it('belongs to one user where the token has one', async () => {
    await rig.user('bob')
    const agent = await rig.agent('Of two')
    const idempotencyKey = key()
    const expires_at = new Date(rig.now() + 60_000).toISOString()
    const made: string[] = []
    for (const user of ['alice', 'bob']) {
      const { token } = await rig.task(agent.id, user)
      const body = { agent: agent.id, user: { external_id: user }, purpose: 'within', expires_at }
      const answer = await post('/v1/tasks', body, idempotencyKey, token)
      expect([user, answer.status, answer.headers.get('idempotency-replayed')]).toEqual([user, 201, null])
      made.push(answer.body.id)
    }
    expect(made[0]).not.toBe(made[1])
  })

  it('of a refused request is not used up', async () => {
    const idempotencyKey = key()
    const refused = await post('/v1/users', { external_id: 'x', email: 'no' }, idempotencyKey)
    expect(refused.status).toBe(400)
    expect((await post('/v1/users', { external_id: 'not-used-up' }, idempotencyKey)).status).toBe(201)
  })

  it('is forgotten after a day', async () => {
    const idempotencyKey = key()
    const first = await post('/v1/agents', { name: 'Daily' }, idempotencyKey)
    rig.advance(24 * 3600)
    const second = await post('/v1/agents', { name: 'Daily' }, idempotencyKey)
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([201, null])
    expect(second.body.id).not.toBe(first.body.id)
  })

  it('must be a key: empty, of 256 characters, or with spaces is 400', async () => {
    for (const bad of ['', 'a'.repeat(256), 'a b']) {
      const answer = await post('/v1/users', { external_id: 'never' }, bad)
      expect([bad.length, answer.status]).toEqual([bad.length, 400])
    }
    expect((await rig.asOperator('GET', '/v1/users?external_id=never')).body.data).toEqual([])
  })
})
