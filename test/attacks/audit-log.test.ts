import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RawDatabase, rawDatabase } from '../raw-database.ts'
import { everyPath, idOf, onBoth, type Reply, type Rig, startRig, walk } from '../rig.ts'

/** Who did what, exactly once, unalterable unseen (rows 54, 84, P2, P8). */
describe.each(onBoth)('the audit log on $database', ({ database }) => {
  let rig: Rig
  let raw: RawDatabase
  let made: Awaited<ReturnType<Rig['provider']>>
  let agent: Awaited<ReturnType<Rig['agent']>>
  let app: Awaited<ReturnType<Rig['app']>>
  let appToken: string
  let aliceId: string
  let requests = 0
  beforeAll(async () => {
    rig = await startRig({ database })
    raw = rawDatabase(rig)
    made = await rig.provider()
    aliceId = await rig.user('alice')
    agent = await rig.agent()
    app = await rig.app()
    appToken = await rig.token(app)
  })
  afterAll(() => rig.close())

  const events = async (query: string) => {
    const answer = await rig.asOperator('GET', `/v1/audit/events?${query}`)
    expect([query, answer.status]).toEqual([query, 200])
    return answer.body.data
  }
  const soon = () => new Date(rig.now() + 3_600_000).toISOString()
  /** One call with a request id of its own; gives its answer and the events that name it, oldest first. */
  async function traced(
    method: string,
    path: string,
    body: unknown,
    token: string,
  ): Promise<[Reply, { type: string }[]]> {
    const id = `traced-${++requests}`
    const answer = await rig.call(method, path, body, { token, headers: { 'x-request-id': id } })
    return [answer, (await events(`request=${id}`)).reverse()]
  }

  /** What was allowed and what came of it: the latter is readable within a second of the answer (CONTRACT 8). */
  async function bothOf(request: string) {
    const ofAccess = async () =>
      (await events(`request=${request}`)).filter((event: { type: string }) => event.type.startsWith('access.'))
    await expect.poll(async () => (await ofAccess()).length, { timeout: 2_000, interval: 20 }).toBe(2)
    return ofAccess()
  }

  it('has exactly one event for each change over the API, with who, what and from where (rows 54, 84)', async () => {
    const connection = await rig.connect({ user: 'alice', ...made })
    const operator = { actor_chain: [rig.operator.client_id], ip: '127.0.0.1' }
    const byApp = { app: app.id, actor_chain: [app.id], ip: '127.0.0.1' }
    const expectOne = async (
      [method, path, body]: readonly [string, string, unknown?],
      token: string,
      type: string | readonly string[],
      more: (made: Reply) => Record<string, unknown>,
    ): Promise<Reply> => {
      const types = typeof type === 'string' ? [type] : type
      const [answer, told] = await traced(method, path, body, token)
      expect([method, path, answer.status < 300, answer.text]).toEqual([method, path, true, answer.text])
      expect([method, path, told.map(event => event.type)]).toEqual([method, path, types])
      expect(told[0]).toMatchObject({ outcome: 'ok', ...more(answer) })
      expect((told[0] as unknown as { id: string }).id).toMatch(/^evt_/)
      return answer
    }
    const operatorToken = await rig.token()

    const user = await expectOne(['POST', '/v1/users', { external_id: 'carol' }], appToken, 'user.created', reply => ({
      user: reply.body.id,
      ...byApp,
    }))
    await expectOne(
      ['POST', '/v1/users', { external_id: 'carol', email: 'carol@example.com' }],
      appToken,
      'user.updated',
      () => ({ user: user.body.id, ...byApp }),
    )
    const [, nothing] = await traced(
      'POST',
      '/v1/users',
      { external_id: 'carol', email: 'carol@example.com' },
      appToken,
    )
    expect(nothing).toEqual([])
    const newAgent = await expectOne(['POST', '/v1/agents', { name: 'N' }], operatorToken, 'agent.created', reply => ({
      agent: reply.body.id,
      ...operator,
    }))
    await expectOne(['POST', `/v1/agents/${newAgent.body.id}/secrets`, {}], operatorToken, 'key.rotated', () => ({
      agent: newAgent.body.id,
      ...operator,
    }))
    const newApp = await expectOne(
      ['POST', '/v1/apps', { name: 'N', scopes: ['users:read'] }],
      operatorToken,
      'app.created',
      reply => ({ app: reply.body.id, ...operator }),
    )
    await expectOne(['DELETE', `/v1/apps/${newApp.body.id}`], operatorToken, 'app.deleted', () => ({
      app: newApp.body.id,
      ...operator,
    }))
    const integration = await expectOne(
      ['POST', '/v1/integrations', { provider: 'slack' }],
      appToken,
      'integration.created',
      reply => ({ integration: reply.body.id, provider: 'slack', ...byApp }),
    )
    await expectOne(
      ['PATCH', `/v1/integrations/${integration.body.id}`, { name: 'S' }],
      appToken,
      'integration.updated',
      () => ({
        integration: integration.body.id,
        ...byApp,
      }),
    )
    const session = await expectOne(
      [
        'POST',
        '/v1/connect-sessions',
        {
          user: { external_id: 'alice' },
          integration: made.integration,
          scopes: ['openid', 'items:read'],
          return_to: 'http://127.0.0.1:9/done',
        },
      ],
      operatorToken,
      'connection.started',
      () => ({ user: aliceId, integration: made.integration, ...operator }),
    )
    const returned = await walk(session.body.connect_url, made.provider, 'alice')
    await expectOne(
      [
        'POST',
        `/v1/connect-sessions/${session.body.id}/complete`,
        { completion_code: returned.searchParams.get('completion_code'), user: { external_id: 'alice' } },
      ],
      operatorToken,
      'connection.created',
      reply => ({ user: aliceId, connection: reply.body.id, integration: made.integration, ...operator }),
    )
    const task = await expectOne(
      ['POST', '/v1/tasks', { agent: agent.id, user: { external_id: 'alice' }, purpose: 'p', expires_at: soon() }],
      appToken,
      // The token is an event of its own, because it may be renewed without the task.
      ['task.created', 'token.issued'],
      reply => ({ user: aliceId, agent: agent.id, task: reply.body.id, ...byApp }),
    )
    const grant = await expectOne(
      ['POST', '/v1/grants', { agent: agent.id, connection, paths: everyPath, expires_at: soon() }],
      appToken,
      'grant.created',
      reply => ({ user: aliceId, agent: agent.id, connection, grant: reply.body.id, ...byApp }),
    )
    await expectOne(['DELETE', `/v1/grants/${grant.body.id}`], appToken, 'grant.revoked', () => ({
      user: aliceId,
      agent: agent.id,
      connection,
      grant: grant.body.id,
      ...byApp,
    }))
    const [, again] = await traced('DELETE', `/v1/grants/${grant.body.id}`, undefined, appToken)
    expect(again).toEqual([])
    expect((await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)).status).toBe(200)
    const refreshed = await events(`connection=${connection}&type=connection.refreshed`)
    expect(refreshed).toHaveLength(1)
    expect(refreshed[0]).toMatchObject({ user: aliceId, connection, integration: made.integration, outcome: 'ok' })
    await expectOne(['POST', `/v1/tasks/${task.body.id}/end`], appToken, 'task.ended', () => ({
      task: task.body.id,
      agent: agent.id,
      user: aliceId,
      ...byApp,
    }))
    await expectOne(
      ['DELETE', `/v1/connections/${connection}`],
      operatorToken,
      // In the middle is alice's other connection at the same client, which the provider ends with this one.
      ['connection.revoked', 'connection.needs_reauth', 'connection.deleted'],
      () => ({
        connection,
        user: aliceId,
        ...operator,
      }),
    )
    await expectOne(['DELETE', `/v1/agents/${newAgent.body.id}`], operatorToken, 'agent.deleted', () => ({
      agent: newAgent.body.id,
      ...operator,
    }))
  })

  it('has no event of what was only read or was refused at the door', async () => {
    for (const [method, path, body] of [
      ['GET', '/v1/users'],
      ['GET', '/v1/connections'],
      ['POST', '/v1/users', { external_id: '' }],
      ['POST', '/v1/grants', { agent: 'x', connection: 'y', paths: everyPath, expires_at: soon() }],
      ['DELETE', '/v1/connections/con_x'],
      ['GET', '/v1/audit/events'],
    ] as const) {
      const [, told] = await traced(method, path, body, appToken)
      expect([method, path, told]).toEqual([method, path, []])
    }
  })

  it('takes user and agent from the token, never from what the caller says of itself (row 54)', async () => {
    const connection = await rig.connect({ user: 'alice', ...made })
    const grant = await rig.grant({ agent: agent.id, connection, paths: everyPath })
    const task = await rig.task(agent.id, 'alice')
    const lies = {
      'x-user': 'bob',
      'x-agent': 'agt_00000000000000000000000000',
      'x-act': '{"sub":"mallory"}',
      'x-forwarded-user': 'root',
      'x-forwarded-for': '203.0.113.9',
    }
    const answer = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, {
      token: task.token,
      headers: { ...lies, 'x-request-id': 'forged-1' },
    })
    expect(answer.status).toBe(200)
    const told = await bothOf('forged-1')
    for (const event of told) {
      expect(event).toMatchObject({
        user: aliceId,
        agent: agent.id,
        task: task.id,
        connection,
        grant,
        actor_chain: [aliceId, agent.id],
        ip: '127.0.0.1',
      })
    }
    for (const body of [
      { external_id: 'x', act: { sub: 'mallory' } },
      { external_id: 'x', sub: 'mallory' },
      { external_id: 'x', actor_chain: ['mallory'] },
    ])
      expect((await rig.call('POST', '/v1/users', body, { token: appToken })).status).toBe(400)
    const token = await rig.call('POST', '/oauth/token', `grant_type=client_credentials&act={"sub":"x"}&sub=usr_x`, {
      headers: {
        authorization: `Basic ${Buffer.from(`${agent.client_id}:${agent.client_secret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
    })
    if (token.status === 200) {
      const claims = JSON.parse(Buffer.from(token.body.access_token.split('.')[1], 'base64url').toString())
      expect([claims.sub, claims.act]).toEqual([agent.id, undefined])
    } else expect(token.status).toBe(400)
  })

  it('has a brokered call as what was allowed and what came of it, a refused one as one denial (P2, row 84)', async () => {
    const connection = await rig.connect({ user: 'alice', ...made })
    const grant = await rig.grant({
      agent: agent.id,
      connection,
      paths: [{ methods: ['GET'], pattern: '/api/items' }],
    })
    const { token, id: task } = await rig.task(agent.id, 'alice')
    const call = (method: string, request: string, body?: unknown) =>
      rig.call(method, `/proxy/${connection}/api/items?q=a-query-of-theirs`, body, {
        token,
        headers: { 'x-request-id': request },
      })
    const good = await call('GET', 'brokered-1')
    expect(good.status).toBe(200)
    const [completed, allowed] = await bothOf('brokered-1')
    expect(allowed).toMatchObject({ type: 'access.allowed', connection, grant, agent: agent.id, task, user: aliceId })
    expect(good.headers.get('valetkey-event')).toBe(allowed.id)
    expect(completed).toMatchObject({
      type: 'access.completed',
      of: allowed.id,
      connection,
      agent: agent.id,
      user: aliceId,
    })
    expect(completed.http).toMatchObject({ method: 'GET', status: 200 })
    const bad = await call('POST', 'brokered-2', { secret: 'a-body-of-theirs' })
    expect([bad.status, bad.body.code]).toEqual([403, 'operation_not_permitted'])
    const denied = await events('request=brokered-2')
    expect(denied.map((event: { type: string }) => event.type)).toEqual(['access.denied'])
    expect(denied[0].decision.reasons).toContain('operation_not_permitted')
    const text = JSON.stringify([...(await events('request=brokered-1')), ...denied])
    expect(text).not.toContain('of-theirs')
    expect(text).not.toContain(token)
  })

  it('finds events by user, agent, connection, provider, type, outcome, task and time; newest first', async () => {
    const all = await events('limit=200')
    expect(all.length).toBeGreaterThan(20)
    const times = all.map((event: { time: string }) => event.time)
    expect(times).toEqual([...times].sort().reverse())
    for (const [name, value] of [
      ['user', aliceId],
      ['agent', agent.id],
      ['app', app.id],
      ['provider', 'generic-oidc'],
      ['type', 'grant.created'],
      ['outcome', 'denied'],
    ] as const) {
      const found = await events(`${name}=${encodeURIComponent(value)}&limit=200`)
      expect([name, found.length > 0, found.length < all.length]).toEqual([name, true, true])
      for (const event of found) expect([name, event[name]]).toEqual([name, value])
    }
    for (const name of ['connection', 'task'] as const) {
      const value = all.find((event: Record<string, unknown>) => event[name] !== undefined)[name]
      const found = await events(`${name}=${value}`)
      for (const event of found) expect(event[name]).toBe(value)
      expect(found.length).toBeGreaterThan(0)
    }
    const middle = times[Math.floor(times.length / 2)]
    for (const event of await events(`since=${middle}&limit=200`)) expect(event.time >= middle).toBe(true)
    for (const event of await events(`until=${middle}&limit=200`)) expect(event.time <= middle).toBe(true)
    for (const bad of ['type=made.up', 'outcome=fine', 'since=yesterday', 'until=1'])
      expect([bad, (await rig.asOperator('GET', `/v1/audit/events?${bad}`)).status]).toEqual([bad, 400])
    const one = await rig.asOperator('GET', `/v1/audit/events/${all[3].id}`)
    expect(one.body).toEqual(all[3])
  })

  it('pages through everything once', async () => {
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: Reply = await rig.asOperator(
        'GET',
        `/v1/audit/events?limit=7${cursor === null ? '' : `&cursor=${cursor}`}`,
      )
      seen.push(...page.body.data.map((event: { id: string }) => event.id))
      cursor = page.body.next_cursor
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(seen.length)
    const verdict = await rig.asOperator('GET', '/v1/audit/verify')
    expect(verdict.body).toMatchObject({ ok: true, events: seen.length })
  })

  it('holds no secret: none of ours, none of a provider, no link and no code (row 24)', async () => {
    const task = await rig.task(agent.id, 'alice')
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: made.integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    idOf(opened)
    const text = JSON.stringify(await events('limit=200')) + JSON.stringify(await raw.run('select * from audit_events'))
    for (const secret of [
      task.token,
      agent.client_secret,
      app.client_secret,
      rig.operator.client_secret,
      opened.body.connect_url.split('/connect/')[1],
      ...made.provider.allIssuedSecrets(),
      ...made.provider.allIssuedCodes(),
    ])
      expect(text).not.toContain(secret)
    expect(text).not.toContain('carol@example.com')
  })

  describe('altered by whoever holds the database', () => {
    const verify = async () => (await rig.asOperator('GET', '/v1/audit/verify')).body
    const rowsOf = async () => {
      const [stream] = await raw.run('select stream, count(*) as n from audit_events group by stream order by n desc')
      return raw.run('select * from audit_events where stream = ? order by seq', [stream!.stream as string])
    }

    it.each([
      ['time', '2020-01-01T00:00:00.000Z'],
      ['outcome', 'denied'],
      ['type', 'user.updated'],
      ['agent', 'agt_00000000000000000000000000'],
      ['"user"', 'usr_00000000000000000000000000'],
      ['connection', 'con_00000000000000000000000000'],
      ['request_id', 'another'],
      ['facts', '{"reason":"none"}'],
      ['ip', '203.0.113.1'],
      ['decision', '{"reasons":[]}'],
    ] as const)('in its column %s, it names that event (P8)', async (column, value) => {
      const rows = await rowsOf()
      const name = column.replaceAll('"', '')
      const victim = rows.slice(5).find(row => row[name] !== null && row[name] !== value) ?? rows[6]!
      await raw.run(`update audit_events set ${column} = ? where id = ?`, [value, victim.id as string])
      expect(await verify()).toMatchObject({ ok: false, event: victim.id })
      await raw.run(`update audit_events set ${column} = ? where id = ?`, [
        victim[name] as string | null,
        victim.id as string,
      ])
      expect((await verify()).ok).toBe(true)
    })

    it('by the removal of an event, or of the last ones, it says so (P8)', async () => {
      const rows = await rowsOf()
      for (const victim of [rows[4]!, rows.at(-1)!]) {
        const columns = Object.keys(victim)
        await raw.run('delete from audit_events where id = ?', [victim.id as string])
        const verdict = await verify()
        expect(verdict.ok).toBe(false)
        expect(typeof verdict.event).toBe('string')
        await raw.run(
          `insert into audit_events (${columns.map(column => `"${column}"`).join(', ')}) values (${columns.map(() => '?').join(', ')})`,
          columns.map(column => victim[column] as string | number | null),
        )
        expect((await verify()).ok).toBe(true)
      }
    })

    it('by two events that changed places, it says so (P8)', async () => {
      const rows = await rowsOf()
      const [one, other] = [rows[3]!, rows[7]!]
      const place = (row: Record<string, unknown>, seq: number) =>
        raw.run('update audit_events set seq = ? where id = ?', [seq, row.id as string])
      const swap = async (first: number, second: number) => {
        await place(one, -1)
        await place(other, second)
        await place(one, first)
      }
      await swap(other.seq as number, one.seq as number)
      expect((await verify()).ok).toBe(false)
      await swap(one.seq as number, other.seq as number)
      expect((await verify()).ok).toBe(true)
    })

    it('by an event of its own with a chain computed right, it is not believed without our key (P8)', async () => {
      const [head] = await raw.run('select * from audit_streams where seq > 0 order by seq desc')
      await raw.run('update audit_streams set head_mac = ? where stream = ?', ['A'.repeat(43), head!.stream as string])
      expect(await verify()).toMatchObject({ ok: false })
      await raw.run('update audit_streams set head_mac = ? where stream = ?', [
        head!.head_mac as string,
        head!.stream as string,
      ])
      expect((await verify()).ok).toBe(true)
    })

    it('by salts that were taken away, it says so: erasure without its event is a fault', async () => {
      const [salts] = await raw.run('select * from audit_salts limit 1')
      await raw.run('delete from audit_salts where event_id = ?', [salts!.event_id as string])
      expect(await verify()).toMatchObject({ ok: false, event: salts!.event_id })
      const columns = Object.keys(salts!)
      await raw.run(
        `insert into audit_salts (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
        columns.map(column => salts![column] as string),
      )
      expect((await verify()).ok).toBe(true)
    })
  })
})
