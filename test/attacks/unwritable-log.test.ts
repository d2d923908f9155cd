import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RawDatabase, rawDatabase } from '../raw-database.ts'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'

/** When nothing can be written to the audit log nothing happens: no effect and no byte without a record (P2, row 87). */
describe.each(onBoth)('with an audit log that takes no rows on $database', ({ database }) => {
  let rig: Rig
  let raw: RawDatabase
  let made: Awaited<ReturnType<Rig['provider']>>
  let agentId: string
  let connection: string
  let token: string
  beforeAll(async () => {
    rig = await startRig({ database })
    raw = rawDatabase(rig)
    made = await rig.provider()
    await rig.user('alice')
    agentId = (await rig.agent()).id
    connection = await rig.connect({ user: 'alice', ...made })
    await rig.grant({ agent: agentId, connection, paths: everyPath })
    token = (await rig.task(agentId, 'alice')).token
    await rig.token()
    if (database === 'postgres')
      await raw.run(
        `create function refuse_rows() returns trigger language plpgsql as $$ begin raise exception 'no space left'; end $$`,
      )
  })
  afterEach(open)
  afterAll(() => rig.close())

  const shut = () =>
    raw.run(
      database === 'sqlite'
        ? `create trigger full_disk before insert on audit_events begin select raise(abort, 'no space left'); end`
        : 'create trigger full_disk before insert on audit_events for each row execute function refuse_rows()',
    )
  async function open(): Promise<void> {
    await raw.run(
      database === 'sqlite' ? 'drop trigger if exists full_disk' : 'drop trigger if exists full_disk on audit_events',
    )
  }
  const proxied = (method: string, body?: unknown) =>
    rig.call(method, `/proxy/${connection}/api/items`, body, { token })

  it('every change over the API fails as a whole, with 503 or 500 and not a word of why', async () => {
    const expires_at = new Date(rig.now() + 60_000).toISOString()
    const count = async () => ({
      users: (await raw.run('select id from users')).length,
      clients: (await raw.run('select id from clients')).length,
      integrations: (await raw.run('select id from integrations')).length,
      grants: (await raw.run('select id from grants where ended_at is null')).length,
      tasks: (await raw.run('select id from tasks')).length,
      sessions: (await raw.run('select id from connect_sessions')).length,
      connections: (await raw.run(`select id from connections where status = 'active'`)).length,
    })
    const before = await count()
    await shut()
    for (const [method, path, body] of [
      ['POST', '/v1/users', { external_id: 'unrecorded' }],
      ['POST', '/v1/agents', { name: 'unrecorded' }],
      ['POST', '/v1/apps', { name: 'unrecorded', scopes: ['users:read'] }],
      ['POST', '/v1/integrations', { provider: 'slack' }],
      ['POST', '/v1/grants', { agent: agentId, connection, paths: everyPath, expires_at }],
      ['POST', '/v1/tasks', { agent: agentId, user: { external_id: 'alice' }, purpose: 'x', expires_at }],
      [
        'POST',
        '/v1/connect-sessions',
        { user: { external_id: 'alice' }, integration: made.integration, return_to: 'http://127.0.0.1:9/done' },
      ],
      ['DELETE', `/v1/agents/${agentId}`],
    ] as const) {
      const answer = await rig.asOperator(method, path, body)
      expect([method, path, [500, 503].includes(answer.status)]).toEqual([method, path, true])
      expect(['internal', 'unavailable']).toContain(answer.body.code)
      expect(answer.text).not.toContain('no space left')
      expect(answer.text).not.toMatch(/client_secret|access_token|connect_url/)
    }
    await open()
    expect(await count()).toEqual(before)
  })

  it('no brokered call passes: a write never leaves, a read gives not a byte (P2)', async () => {
    expect((await proxied('GET')).status).toBe(200)
    const from = made.provider.requests.length
    await shut()
    const written = await proxied('POST', { name: 'unrecorded' })
    expect([written.status, written.body.code]).toEqual([503, 'unavailable'])
    expect(made.provider.requests.length).toBe(from)
    const read = await proxied('GET')
    expect([read.status, read.body.code]).toEqual([503, 'unavailable'])
    await open()
    expect((await proxied('GET')).status).toBe(200)
  })

  it('what is only read goes on, and afterwards the log holds (P8)', async () => {
    await shut()
    expect((await rig.asOperator('GET', '/v1/users')).status).toBe(200)
    expect((await rig.asOperator('GET', '/v1/audit/events')).status).toBe(200)
    await open()
    expect((await rig.asOperator('POST', '/v1/users', { external_id: 'recorded' })).status).toBe(201)
    expect((await rig.asOperator('GET', '/v1/audit/verify')).body.ok).toBe(true)
  })
})
