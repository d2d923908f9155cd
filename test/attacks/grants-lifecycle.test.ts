import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../packages/server/src/core/secret.ts'
import { hashSecret } from '../../packages/server/src/flows/agents/client-secret.ts'
import { type RawDatabase, rawDatabase } from '../raw-database.ts'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'

const day = 24 * 3_600_000

/** What a grant may be, that it ends, and that nobody who writes into the database can make one (P3, P4, P6, row 85). */
describe.each(onBoth)('a grant on $database', ({ database }) => {
  let rig: Rig
  let raw: RawDatabase
  let agent: Awaited<ReturnType<Rig['agent']>>
  let connection: string
  let aliceToken: string
  beforeAll(async () => {
    rig = await startRig({ database })
    raw = rawDatabase(rig)
    const made = await rig.provider()
    await rig.user('alice')
    await rig.user('bob')
    agent = await rig.agent()
    connection = await rig.connect({ user: 'alice', ...made })
    aliceToken = (await rig.task(agent.id, 'alice', 30 * 24 * 3600)).token
  })
  afterAll(() => rig.close())

  const at = (ms: number) => new Date(rig.now() + ms).toISOString()
  const ask = (body: Record<string, unknown>) =>
    rig.asOperator('POST', '/v1/grants', { agent: agent.id, connection, expires_at: at(3_600_000), ...body })
  const sees = async (token = aliceToken) =>
    (await rig.call('GET', '/v1/connections', undefined, { token })).body.data.map((row: { id: string }) => row.id)
  const decides = async (token = aliceToken, of = connection, method = 'GET') =>
    (await rig.call('POST', '/v1/decisions', { connection: of, method, path: '/api/items' }, { token })).body
  async function endAll(): Promise<void> {
    const { data } = (await rig.asOperator('GET', '/v1/grants?status=active&limit=200')).body
    for (const { id } of data) await rig.asOperator('DELETE', `/v1/grants/${id}`)
  }
  /** A live grant of that agent on that connection and nothing beside it. */
  async function only(more: Record<string, unknown> = {}): Promise<string> {
    await endAll()
    return rig.grant({ agent: agent.id, connection, paths: everyPath, ...more })
  }

  it('lasts 90 days at most and ends in the future (P4, row 85)', async () => {
    for (const [name, expires_at, status] of [
      ['90 days', at(90 * day - 5_000), 201],
      ['90 days and a minute', at(90 * day + 60_000), 400],
      ['a year', at(365 * day), 400],
      ['now', at(0), 400],
      ['yesterday', at(-day), 400],
      ['never', '9999-12-31T23:59:59Z', 400],
    ] as const) {
      const answer = await ask({ paths: everyPath, expires_at })
      expect([name, answer.status]).toEqual([name, status])
      if (status === 400) expect(answer.body.errors[0].pointer).toBe('/expires_at')
    }
    const endless = await rig.asOperator('POST', '/v1/grants', { agent: agent.id, connection, paths: everyPath })
    expect([endless.status, endless.body.errors[0].pointer]).toEqual([400, '/expires_at'])
  })

  it('names permissions, paths or both', async () => {
    for (const body of [{}, { permissions: [] }, { paths: [] }, { permissions: [], paths: [] }]) {
      const answer = await ask(body)
      expect([JSON.stringify(body), answer.status, answer.body.errors?.[0].pointer]).toEqual([
        JSON.stringify(body),
        400,
        '/permissions',
      ])
    }
  })

  it('names only what exists: permissions of its provider, known methods, patterns that can be read', async () => {
    for (const [body, pointer] of [
      [{ permissions: ['slack:messages:list'] }, '/permissions/0'],
      [{ permissions: ['generic-oidc:identity:steal'] }, '/permissions/0'],
      [{ permissions: ['*:*:*'] }, '/permissions/0'],
      [{ permissions: ['*'] }, '/permissions/0'],
      [{ paths: [{ methods: ['STEAL'], pattern: '/**' }] }, '/paths/0/methods'],
      [{ paths: [{ methods: [], pattern: '/**' }] }, '/paths/0/methods'],
      [{ paths: [{ methods: ['GET'], pattern: 'no-slash' }] }, '/paths/0/pattern'],
      [{ paths: [{ methods: ['GET'], pattern: '/a/**/b' }] }, '/paths/0/pattern'],
      [{ paths: [{ methods: ['GET'], pattern: '/../x' }] }, '/paths/0/pattern'],
    ] as const) {
      const answer = await ask(body)
      expect([JSON.stringify(body), answer.status, answer.body.errors?.[0].pointer]).toEqual([
        JSON.stringify(body),
        400,
        pointer,
      ])
    }
  })

  it('gives share and credential by operation only: provider:type:share is 400 (CONTRACT 1)', async () => {
    const [row] = await raw.run('select provider from connections where id = ?', [connection])
    const of = async (provider: string) =>
      raw.run('update connections set provider = ? where id = ?', [provider, connection])
    try {
      await of('google-calendar')
      const { body } = await rig.asOperator('GET', '/v1/providers/google-calendar')
      const operation = body.operations.find((each: { action: string }) => each.action === 'share')
      expect(operation).toBeDefined()
      for (const action of ['share', 'credential']) {
        const answer = await ask({ permissions: [`google-calendar:${operation.resource_type}:${action}`] })
        expect([action, answer.status, answer.body.errors?.[0].pointer]).toEqual([action, 400, '/permissions/0'])
      }
      expect((await ask({ permissions: [operation.id] })).status).toBe(201)
    } finally {
      await of(row!.provider as string)
      await endAll()
    }
    const ceiling = await rig.asOperator('POST', '/v1/agents', { name: 'x', ceiling: ['google-calendar:acl:share'] })
    expect([ceiling.status, ceiling.body.errors[0].pointer]).toEqual([400, '/ceiling/0'])
  })

  it('is the owner’s to give: another user is 400, and an agent of one user gets nothing of another', async () => {
    const foreign = await ask({ paths: everyPath, user: { external_id: 'bob' } })
    expect([foreign.status, foreign.body.errors[0].pointer]).toEqual([400, '/user'])
    const made = await rig.asOperator('POST', '/v1/agents', { name: 'Of bob', user: { external_id: 'bob' } })
    const toBobs = await ask({ paths: everyPath, agent: made.body.id })
    expect([toBobs.status, toBobs.body.errors[0].pointer]).toEqual([400, '/agent'])
    const ofBob = await rig.task(agent.id, 'bob')
    const bound = await ask({ paths: everyPath, task: ofBob.id })
    expect([bound.status, bound.body.errors[0].pointer]).toEqual([400, '/task'])
  })

  it('is refused with narrowings that are not enforced yet, never made without them', async () => {
    for (const [body, pointer] of [
      [{ approval: 'writes' }, '/approval'],
      [{ approval: 'always' }, '/approval'],
    ] as const) {
      const answer = await ask({ paths: everyPath, ...body })
      expect([pointer, answer.status, answer.body.errors?.[0].pointer]).toEqual([pointer, 400, pointer])
    }
  })

  it('shows what was written', async () => {
    await endAll()
    const answer = await ask({
      user: { external_id: 'alice' },
      paths: everyPath,
      idle_timeout_seconds: 600,
      max_calls: 3,
      unattended: true,
      approval: 'none',
    })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe(`${rig.url}/v1/grants/${answer.body.id}`)
    expect(answer.body).toMatchObject({
      user: { external_id: 'alice' },
      agent: agent.id,
      connection,
      paths: everyPath,
      permissions: [],
      idle_timeout_seconds: 600,
      max_calls: 3,
      unattended: true,
      status: 'active',
      calls: 0,
      granted_by: rig.operator.client_id,
    })
    expect(answer.text).not.toContain('mac')
    expect((await rig.asOperator('GET', `/v1/grants/${answer.body.id}`)).body).toEqual(answer.body)
  })

  it('ends by hand at once, twice with the same answer, and says why (P4, row 86)', async () => {
    const id = await only()
    expect(await sees()).toEqual([connection])
    expect((await decides()).allowed).toBe(true)
    const first = await rig.asOperator('DELETE', `/v1/grants/${id}`)
    expect(await sees()).toEqual([])
    const decision = await decides()
    expect([decision.allowed, decision.reasons[0].code]).toEqual([false, 'grant_expired'])
    expect([first.status, first.body.status, first.body.ended_reason]).toEqual([200, 'ended', 'revoked'])
    const second = await rig.asOperator('DELETE', `/v1/grants/${id}`)
    expect([second.status, second.text]).toEqual([200, first.text])
    const events = await rig.asOperator('GET', `/v1/audit/events?type=grant.revoked&connection=${connection}&limit=1`)
    expect(events.body.data[0]).toMatchObject({ grant: id, agent: agent.id })
  })

  it('ends by time: at its end it opens nothing (row 85)', async () => {
    const id = await only({ expires_at: at(60_000) })
    expect((await decides()).allowed).toBe(true)
    rig.advance(60)
    expect(await sees()).toEqual([])
    expect((await decides()).reasons[0].code).toBe('grant_expired')
    const shown = await rig.asOperator('GET', `/v1/grants/${id}`)
    expect([shown.body.status, shown.body.ended_reason]).toEqual(['ended', 'expired'])
  })

  it('ends when nobody used it for as long as it says (row 85)', async () => {
    const id = await only({ idle_timeout_seconds: 30 })
    expect((await decides()).allowed).toBe(true)
    rig.advance(30)
    expect((await decides()).allowed).toBe(false)
    expect(await sees()).toEqual([])
    const shown = await rig.asOperator('GET', `/v1/grants/${id}`)
    expect([shown.body.status, shown.body.ended_reason]).toEqual(['ended', 'idle'])
  })

  it('ends with its task, and counts within that task only (row 85)', async () => {
    await endAll()
    const task = await rig.task(agent.id, 'alice')
    const id = await rig.grant({ agent: agent.id, connection, paths: everyPath, task: task.id })
    expect((await decides(task.token)).allowed).toBe(true)
    expect(await sees(task.token)).toEqual([connection])
    expect(await sees()).toEqual([])
    expect((await decides()).allowed ?? false).toBe(false)
    await rig.asOperator('POST', `/v1/tasks/${task.id}/end`)
    const shown = await rig.asOperator('GET', `/v1/grants/${id}`)
    expect([shown.body.status, shown.body.ended_reason]).toEqual(['ended', 'task_ended'])
  })

  it('ends with its agent and with its connection', async () => {
    const other = await rig.agent('Short-lived')
    const ofAgent = await rig.grant({ agent: other.id, connection, paths: everyPath })
    await rig.asOperator('DELETE', `/v1/agents/${other.id}`)
    expect((await rig.asOperator('GET', `/v1/grants/${ofAgent}`)).body.ended_reason).toBe('agent_deleted')
    const made = await rig.provider()
    const shortLived = await rig.connect({ user: 'alice', ...made })
    const ofConnection = await rig.grant({ agent: agent.id, connection: shortLived, paths: everyPath })
    const ended = await rig.asOperator('DELETE', `/v1/connections/${shortLived}`)
    expect([ended.status, ended.body.status, ended.body.erased]).toEqual([200, 'revoked', true])
    expect((await rig.asOperator('GET', `/v1/grants/${ofConnection}`)).body.ended_reason).toBe('connection_ended')
    expect((await rig.asOperator('DELETE', `/v1/connections/${shortLived}`)).status).toBe(404)
    expect((await rig.asOperator('GET', `/v1/connections/${shortLived}`)).status).toBe(404)
  })

  it('counts only within the ceiling of its agent (P3)', async () => {
    await endAll()
    const made = await rig.asOperator('POST', '/v1/agents', { name: 'Low', ceiling: ['slack:messages:list'] })
    const token = (await rig.task(made.body.id, 'alice')).token
    await rig.grant({ agent: made.body.id, connection, paths: everyPath })
    const decision = await decides(token)
    expect(decision.allowed).toBe(false)
    const called = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token })
    expect(called.status).toBe(403)
  })

  it('does not add up with another: a call is allowed by one that covers all of it (P3)', async () => {
    await endAll()
    await rig.grant({ agent: agent.id, connection, paths: [{ methods: ['GET'], pattern: '/other/**' }] })
    await rig.grant({ agent: agent.id, connection, paths: [{ methods: ['POST'], pattern: '/api/items' }] })
    expect((await decides(aliceToken, connection, 'GET')).allowed).toBe(false)
    expect((await decides(aliceToken, connection, 'POST')).allowed).toBe(true)
  })

  describe('that was altered in the database does not count (P6)', () => {
    const alterations: readonly [string, string, (rig: Rig) => (string | number | null)[]][] = [
      ['widened paths', 'paths = ?', () => [JSON.stringify([{ methods: ['DELETE'], pattern: '/**' }])]],
      ['widened permissions', 'permissions = ?', () => [JSON.stringify(['generic-oidc:*:*'])]],
      ['a later end', 'expires_at = ?', r => [r.now() + 80 * day]],
      ['no idle time', 'idle_timeout_seconds = ?', () => [1_000_000]],
      ['a larger budget', 'max_calls = ?', () => [1_000_000]],
      ['unattended', 'unattended = ?', () => [1]],
      ['another giver', 'granted_by = ?', () => ['opr_00000000000000000000000000']],
      ['another MAC', 'mac = ?', () => ['A'.repeat(43)]],
    ]
    it.each(alterations)('%s', async (_name, assignment, values) => {
      const id = await only({ idle_timeout_seconds: 600, max_calls: 100 })
      expect((await decides()).allowed).toBe(true)
      await raw.run(`update grants set ${assignment} where id = ?`, [...values(rig), id])
      // Whatever a node had remembered of the grant is read again when something about the connection changes.
      const nudge = await rig.agent('Nudge')
      await rig.grant({ agent: agent.id, connection, paths: [{ methods: ['GET'], pattern: '/nudge' }] })
      expect(nudge.id).toBeTruthy()
      expect((await decides()).allowed).toBe(false)
      await endAllBut(id)
      expect(await sees()).toEqual([])
    })

    async function endAllBut(id: string): Promise<void> {
      const { data } = (await rig.asOperator('GET', '/v1/grants?status=active&limit=200')).body
      for (const row of data) if (row.id !== id) await rig.asOperator('DELETE', `/v1/grants/${row.id}`)
    }

    it('given to another agent', async () => {
      const thief = await rig.agent('Thief')
      const id = await only()
      await raw.run('update grants set agent_id = ? where id = ?', [thief.id, id])
      const token = (await rig.task(thief.id, 'alice')).token
      expect(await sees(token)).toEqual([])
      expect((await decides(token)).allowed ?? false).toBe(false)
    })

    it('moved to another user’s connection', async () => {
      const made = await rig.provider()
      const bobs = await rig.connect({ user: 'bob', ...made })
      const id = await only()
      await raw.run('update grants set connection_id = ? where id = ?', [bobs, id])
      expect(await sees()).toEqual([])
      expect((await decides(aliceToken, bobs)).allowed ?? false).toBe(false)
      const [bob] = await raw.run(`select user_id from connections where id = ?`, [bobs])
      await raw.run('update grants set user_id = ? where id = ?', [bob!.user_id as string, id])
      const bobToken = (await rig.task(agent.id, 'bob')).token
      expect(await sees(bobToken)).toEqual([])
      expect((await decides(bobToken, bobs)).allowed ?? false).toBe(false)
    })

    it('brought back to life after it was ended', async () => {
      const id = await only()
      await rig.asOperator('DELETE', `/v1/grants/${id}`)
      await raw.run('update grants set ended_at = null, ended_reason = null where id = ?', [id])
      expect(await sees()).toEqual([])
      expect((await decides()).allowed).toBe(false)
    })

    it('or made from nothing', async () => {
      const id = await only()
      const [row] = await raw.run('select * from grants where id = ?', [id])
      await rig.asOperator('DELETE', `/v1/grants/${id}`)
      const forged = { ...row!, id: `grt_${'0'.repeat(26)}` } as Record<string, string | number | null>
      const columns = Object.keys(forged)
      await raw.run(
        `insert into grants (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
        columns.map(column => forged[column]!),
      )
      expect(await sees()).toEqual([])
      expect((await decides()).allowed).toBe(false)
    })
  })

  describe('and a client that was altered in the database cannot authenticate (P6)', () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const signIn = async (client: { client_id: string; client_secret: string }) =>
      (
        await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
          headers: {
            ...form,
            authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`,
          },
        })
      ).status

    it.each([
      ['its scopes were widened', 'scopes = ?', JSON.stringify(['connections:use', 'audit:read'])],
      ['it was given to a user', 'user_id = ?', 'usr_00000000000000000000000000'],
      ['it was brought back', 'disabled_at = ?', 1],
      ['its redirect was set', 'redirect_uris = ?', JSON.stringify(['https://evil.example'])],
      ['it was made an operator', 'kind = ?', 'operator'],
    ] as const)('%s', async (_name, assignment, value) => {
      const client = await rig.agent('Altered')
      expect(await signIn(client)).toBe(200)
      const token = await rig.token(client)
      await raw.run(`update clients set ${assignment} where id = ?`, [value, client.id])
      expect(await signIn(client)).toBe(401)
      rig.advance(1)
      expect((await rig.call('GET', '/v1/connections', undefined, { token })).status).toBe(401)
    })

    it('with a secret of the writer’s own', async () => {
      const client = await rig.agent('Taken over')
      await raw.run('update clients set secret_hash = ? where id = ?', [
        hashSecret(new Secret('known-to-the-writer')),
        client.id,
      ])
      expect(await signIn({ ...client, client_secret: 'known-to-the-writer' })).toBe(401)
    })

    it('nor is it made good again by a new secret', async () => {
      const client = await rig.agent('Widened')
      await raw.run('update clients set scopes = ? where id = ?', [JSON.stringify(['audit:read']), client.id])
      const rotated = await rig.asOperator('POST', `/v1/agents/${client.id}/secrets`, {})
      expect([rotated.status, rotated.body.code]).toEqual([409, 'conflict'])
      expect(await signIn(client)).toBe(401)
    })

    it('nor can one that was deleted and then set alive', async () => {
      const client = await rig.agent('Deleted')
      await rig.asOperator('DELETE', `/v1/agents/${client.id}`)
      await raw.run('update clients set disabled_at = null where id = ?', [client.id])
      expect(await signIn(client)).toBe(401)
    })
  })
})
