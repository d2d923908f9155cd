import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rawDatabase } from '../raw-database.ts'
import { everyPath, idOf, onBoth, type Rig, startRig } from '../rig.ts'

/** Whoever may say where credentials go could collect them all: these are the locks on that (row 75, P7). */
describe.each(onBoth)('an integration on $database', ({ database }) => {
  let rig: Rig
  let appToken: string
  beforeAll(async () => {
    rig = await startRig({ database })
    await rig.user('alice')
    appToken = await rig.token(await rig.app())
  })
  afterAll(() => rig.close())

  const add = (body: unknown) => rig.asOperator('POST', '/v1/integrations', body)
  const change = (id: string, body: unknown) => rig.asOperator('PATCH', `/v1/integrations/${id}`, body)
  const connectionsOf = async (integration: string) =>
    (await rig.asOperator('GET', `/v1/connections?integration=${integration}`)).body.data

  it('is of a known provider', async () => {
    const answer = await add({ provider: 'nonesuch' })
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, '/provider'])
  })

  it('takes overrides and parameters from operators only: an app is 403, at creation and later (P7)', async () => {
    const asApp = (method: string, path: string, body: unknown) => rig.call(method, path, body, { token: appToken })
    const made = await asApp('POST', '/v1/integrations', { provider: 'slack', client_id: 'x', client_secret: 'y' })
    expect(made.status).toBe(201)
    for (const body of [
      { overrides: { token_endpoint: 'https://evil.example/token' } },
      { overrides: {} },
      { parameters: { subdomain: 'evil' } },
      { overrides: { origins: { 'https://slack.com': 'https://evil.example' } }, client_secret: 'y' },
    ]) {
      const created = await asApp('POST', '/v1/integrations', { provider: 'slack', ...body })
      const changed = await asApp('PATCH', `/v1/integrations/${made.body.id}`, body)
      for (const answer of [created, changed]) {
        expect([JSON.stringify(body), answer.status, answer.body.code]).toEqual([
          JSON.stringify(body),
          403,
          'insufficient_scope',
        ])
        expect(answer.headers.get('www-authenticate')).toContain('scope="integrations:admin"')
      }
    }
    const after = await rig.asOperator('GET', `/v1/integrations/${made.body.id}`)
    expect(after.body.overrides).toEqual({})
  })

  it('takes them only from an operator whose token has integrations:admin (row 10)', async () => {
    const answer = await rig.call(
      'POST',
      '/oauth/token',
      'grant_type=client_credentials&scope=integrations:write integrations:read',
      {
        headers: {
          authorization: `Basic ${Buffer.from(`${rig.operator.client_id}:${rig.operator.client_secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
    )
    const refused = await rig.call(
      'POST',
      '/v1/integrations',
      { provider: 'generic-oidc', overrides: { issuer: 'https://login.example' } },
      { token: answer.body.access_token },
    )
    expect([refused.status, refused.body.code]).toEqual([403, 'insufficient_scope'])
  })

  it('never shows its secret, nor anything made of it (rows 24, 80)', async () => {
    const secret = 'a-client-secret-nobody-may-see-0123456789'
    const made = await add({ provider: 'slack', client_id: 'shown', client_secret: secret })
    const id = idOf(made)
    const answers = [
      made,
      await rig.asOperator('GET', `/v1/integrations/${id}`),
      await rig.asOperator('GET', '/v1/integrations'),
      await change(id, { name: 'Renamed', client_secret: secret }),
      await add({ provider: 'slack', client_secret: secret, private_key: secret }),
      await add({ provider: 'slack', client_secret: secret, colour: secret }),
      await rig.asOperator('GET', '/v1/audit/events?limit=20'),
    ]
    for (const answer of answers) {
      expect(answer.text).not.toContain(secret)
      expect(answer.text).not.toContain(Buffer.from(secret).toString('base64'))
    }
    expect(made.body).toMatchObject({ client_id: 'shown', has_client_secret: true })
    expect(Object.keys(made.body)).not.toContain('client_secret')
    expect(rig.logs.join('\n')).not.toContain(secret)
  })

  it('that is incomplete opens no connect session: 409', async () => {
    const made = await add({ provider: 'generic-oidc', overrides: { issuer: 'https://login.example' } })
    expect([made.status, made.body.status, made.body.missing]).toEqual([
      201,
      'incomplete',
      ['client_id', 'client_secret'],
    ])
    const session = () =>
      rig.asOperator('POST', '/v1/connect-sessions', {
        user: { external_id: 'alice' },
        integration: made.body.id,
        return_to: 'http://127.0.0.1:9/done',
      })
    const refused = await session()
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict'])
    const completed = await change(made.body.id, { client_id: 'later', client_secret: 'later-secret' })
    expect([completed.status, completed.body.status]).toEqual([200, 'ready'])
    expect((await session()).status).toBe(201)
  })

  it('has a callback of its own under the base URL (row 1)', async () => {
    const first = await add({ provider: 'slack' })
    const second = await add({ provider: 'slack' })
    for (const made of [first, second]) expect(made.body.callback_url).toBe(`${rig.url}/callback/${made.body.id}`)
    expect(first.body.callback_url).not.toBe(second.body.callback_url)
  })

  it('maps only origins of its entry, and only to plain origins (row 22)', async () => {
    for (const origins of [
      { 'https://evil.example': 'http://127.0.0.1:1' },
      { 'https://slack.com.evil.example': 'http://127.0.0.1:1' },
      { 'https://slack.com': 'javascript:alert(1)' },
      { 'https://slack.com': 'file:///etc/passwd' },
      { 'https://slack.com': 'http://user:pass@127.0.0.1:1' },
      { 'https://slack.com': 'not a url' },
    ]) {
      const answer = await add({ provider: 'slack', client_id: 'a', client_secret: 'b', overrides: { origins } })
      expect([JSON.stringify(origins), answer.status]).toEqual([JSON.stringify(origins), 400])
      expect(answer.body.errors[0].pointer).toMatch(/^\/overrides\/origins\/https:~1~1/)
    }
    for (const member of [
      'issuer',
      'authorization_endpoint',
      'token_endpoint',
      'revocation_endpoint',
      'userinfo_endpoint',
    ])
      for (const url of [
        'javascript:alert(1)',
        'file:///etc/passwd',
        '/token',
        'https://user:pass@idp.example/token',
      ]) {
        const answer = await add({ provider: 'generic-oidc', overrides: { [member]: url } })
        expect([member, url, answer.status, answer.body.errors?.[0].pointer]).toEqual([
          member,
          url,
          400,
          `/overrides/${member}`,
        ])
      }
  })

  it('opens no connection to anyone when it is made or changed (CONTRACT 6)', async () => {
    const { provider, integration } = await rig.provider()
    const answer = await change(integration, {
      client_secret: 'integration-secret-0123456789abcdef',
      overrides: { issuer: provider.issuer, userinfo_endpoint: `${provider.url}/elsewhere` },
    })
    expect(answer.status).toBe(200)
    expect(provider.requests).toHaveLength(0)
  })

  describe('whose destinations change', () => {
    it('asks for its secret again, ends what was connected, and no token reaches the new place (row 75, P7)', async () => {
      const { provider, integration } = await rig.provider()
      const connection = await rig.connect({ user: 'alice', integration, provider })
      const agent = await rig.agent()
      await rig.grant({ agent: agent.id, connection, paths: everyPath })
      const evil = (await rig.provider()).provider
      const overrides = {
        issuer: provider.issuer,
        token_endpoint: `${evil.url}/oauth/token`,
        userinfo_endpoint: `${evil.url}/userinfo`,
      }

      const without = await change(integration, { overrides })
      expect([without.status, without.body.errors[0].pointer]).toEqual([400, '/client_secret'])
      const unchanged = await rig.asOperator('GET', `/v1/integrations/${integration}`)
      expect(unchanged.body.overrides).toEqual({ issuer: provider.issuer })
      expect((await connectionsOf(integration))[0].status).toBe('active')

      const asked = evil.requests.length
      const changed = await change(integration, { overrides, client_secret: 'a-new-secret-for-the-new-place' })
      expect(changed.status).toBe(200)
      expect((await connectionsOf(integration))[0]).toMatchObject({
        id: connection,
        status: 'needs_reauth',
        reason: 'destination_changed',
      })
      const events = await rig.asOperator(
        'GET',
        `/v1/audit/events?connection=${connection}&type=connection.needs_reauth`,
      )
      expect(events.body.data).toHaveLength(1)
      expect(events.body.data[0].facts).toEqual({ reason: 'destination_changed' })

      const refreshed = await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)
      expect([refreshed.status, refreshed.body.code]).toEqual([409, 'needs_reauth'])
      const checked = await rig.asOperator('GET', `/v1/connections/${connection}/check`)
      expect(checked.body.ok).toBe(false)
      const task = await rig.task(agent.id, 'alice')
      const called = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token: task.token })
      expect([called.status, called.body.code]).toEqual([409, 'needs_reauth'])
      expect(evil.requests.length).toBe(asked)

      // Even somebody who sets the status back in the database moves no token: it opens for its old destinations only.
      await rawDatabase(rig).run(`update connections set status = 'active', reason = null where id = ?`, [connection])
      const forced = await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)
      expect(forced.status).toBeGreaterThanOrEqual(400)
      await rig.asOperator('GET', `/v1/connections/${connection}/check`)
      const tokens = provider.allIssuedSecrets()
      for (const request of evil.requests)
        for (const token of tokens) expect(JSON.stringify(request)).not.toContain(token)
    })

    it('is repaired by connecting again', async () => {
      const { provider, integration } = await rig.provider()
      const connection = await rig.connect({ user: 'alice', integration, provider })
      const secret = 'integration-secret-0123456789abcdef'
      await change(integration, {
        client_secret: secret,
        overrides: { issuer: provider.issuer, userinfo_endpoint: provider.endpoints.userinfo },
      })
      expect((await connectionsOf(integration))[0].status).toBe('needs_reauth')
      await rig.connect({ user: 'alice', integration, provider })
      const rows = await connectionsOf(integration)
      expect(rows.map((row: { status: string }) => row.status)).toContain('active')
      expect(connection).toBeTruthy()
    })

    it('keeps what is connected when only name, scopes or secret change', async () => {
      const { provider, integration } = await rig.provider()
      await rig.connect({ user: 'alice', integration, provider })
      for (const body of [
        { name: 'Another name' },
        { scopes: ['openid'] },
        { client_secret: 'integration-secret-0123456789abcdef' },
        { overrides: { issuer: provider.issuer } },
      ]) {
        expect((await change(integration, body)).status).toBe(200)
        expect((await connectionsOf(integration))[0].status).toBe('active')
      }
    })
  })

  it('whose target may not be reached is stored, refused at use, and named by doctor (CONTRACT 7)', async () => {
    const made = await add({
      provider: 'generic-oidc',
      client_id: 'x',
      client_secret: 'y',
      overrides: { issuer: 'http://10.255.255.1:8080' },
    })
    expect(made.status).toBe(201)
    const doctor = await rig.asOperator('GET', '/v1/doctor')
    expect(doctor.body.ok).toBe(false)
    const fault = doctor.body.checks.find((row: { id: string; detail: string }) => row.detail.includes(made.body.id))
    expect(fault).toMatchObject({ id: 'egress', ok: false })
    expect(fault.next).toContain('VALETKEY_EGRESS_ALLOW=10.255.255.1:8080')
  })
})
