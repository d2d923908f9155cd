import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTenant } from '../../packages/server/src/process/create-tenant.ts'
import { Browser, everyPath, idOf, quietIo, type Rig, startRig, walk } from '../rig.ts'

/** A second tenant on PostgreSQL has the whole surface under a base URL of its own (CONTRACT 2, P6). */
describe('a second tenant', () => {
  let rig: Rig
  let branch: Awaited<ReturnType<Rig['secondTenant']>>
  beforeAll(async () => {
    rig = await startRig({ database: 'postgres', egressAllow: '127.0.0.0/8,branch@127.0.0.0/8' })
  })
  afterAll(() => rig.close())

  it('is known to a running server within a second of its creation', async () => {
    const before = await rig.call('GET', '/healthz', undefined, { base: `${rig.url}/t/branch` })
    expect(before.status).toBe(404)
    branch = await rig.secondTenant('branch')
    expect(branch.base).toBe(`${rig.url}/t/branch`)
    const from = performance.now()
    await expect
      .poll(async () => (await rig.call('GET', '/healthz', undefined, { base: branch.base })).status, {
        timeout: 1_000,
        interval: 20,
      })
      .toBe(200)
    expect(performance.now() - from).toBeLessThan(1_000)
    expect(await rig.token(branch.operator, branch.base)).toBeTruthy()
  })

  it('goes the whole way: integration, connection, agent, grant, task, call, record', async () => {
    const token = await rig.token(branch.operator, branch.base)
    const as = (method: string, path: string, body?: unknown, own = token) =>
      rig.call(method, path, body, { token: own, base: branch.base })
    const { provider } = await rig.provider()
    const user = idOf(await as('POST', '/v1/users', { external_id: 'alice' }))
    const made = await as('POST', '/v1/integrations', {
      provider: 'generic-oidc',
      client_id: 'branch-client',
      client_secret: 'branch-secret-0123456789abcdef',
      overrides: { issuer: provider.issuer },
    })
    expect(made.body.callback_url).toBe(`${branch.base}/callback/${made.body.id}`)
    provider.addClient({
      id: 'branch-client',
      secret: 'branch-secret-0123456789abcdef',
      redirectUris: [made.body.callback_url],
    })
    const session = await as('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: made.body.id,
      scopes: ['openid', 'items:read', 'offline_access'],
      return_to: 'http://127.0.0.1:9/done',
    })
    expect(session.body.connect_url.startsWith(`${branch.base}/connect/`)).toBe(true)
    const done = await walk(session.body.connect_url, provider, 'alice')
    const connection = await as('POST', `/v1/connect-sessions/${session.body.id}/complete`, {
      completion_code: done.searchParams.get('completion_code'),
      user: { id: user },
    })
    expect([connection.status, connection.body.status]).toEqual([200, 'active'])
    const agent = await as('POST', '/v1/agents', { name: 'Theirs' })
    const expires_at = new Date(rig.now() + 3_600_000).toISOString()
    const grant = await as('POST', '/v1/grants', {
      agent: agent.body.id,
      connection: connection.body.id,
      paths: everyPath,
      expires_at,
    })
    expect(grant.headers.get('location')).toBe(`${branch.base}/v1/grants/${grant.body.id}`)
    const task = await as('POST', '/v1/tasks', {
      agent: agent.body.id,
      user: { id: user },
      purpose: 'the whole way',
      expires_at,
    })
    const call = `/proxy/${connection.body.id}/api/items`
    const answer = await as('GET', call, undefined, task.body.access_token)
    expect(answer.status).toBe(200)
    expect((await rig.call('GET', call, undefined, { token: task.body.access_token })).status).toBe(401)
    const events = await as('GET', `/v1/audit/events?connection=${connection.body.id}&type=access.allowed`)
    expect(events.body.data).toHaveLength(1)
    const ofFirst = await rig.asOperator('GET', `/v1/audit/events?connection=${connection.body.id}`)
    expect(ofFirst.body.data).toEqual([])
    for (const verdict of [await as('GET', '/v1/audit/verify'), await rig.asOperator('GET', '/v1/audit/verify')])
      expect(verdict.body.ok).toBe(true)
  })

  it('has keys and an audit log of its own', async () => {
    const token = await rig.token(branch.operator, branch.base)
    const own = await rig.call('GET', '/v1/audit/verify', undefined, { token, base: branch.base })
    const first = await rig.asOperator('GET', '/v1/audit/verify')
    expect(own.body.head).not.toBe(first.body.head)
    const created = await rig.call('GET', '/v1/audit/events?type=tenant.created', undefined, {
      token,
      base: branch.base,
    })
    expect(created.body.data).toHaveLength(1)
  })

  it('does not reach the private targets of another: they are allowed by slug, and a connect flow ends with provider_unavailable (CONTRACT 7)', async () => {
    const other = await rig.secondTenant('elsewhere')
    const token = await rig.token(other.operator, other.base)
    const { provider } = await rig.provider()
    const as = (method: string, path: string, body?: unknown) =>
      rig.call(method, path, body, { token, base: other.base })
    await as('POST', '/v1/users', { external_id: 'alice' })
    const made = await as('POST', '/v1/integrations', {
      provider: 'generic-oidc',
      client_id: 'x',
      client_secret: 'y',
      overrides: { issuer: provider.issuer },
    })
    expect(made.status).toBe(201)
    const session = await as('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: made.body.id,
      return_to: 'http://127.0.0.1:9/done',
    })
    const asked = provider.requests.length
    const ended = await new Browser().press(session.body.connect_url, 'continue')
    expect([ended.status, ended.headers.get('location')]).toEqual([
      303,
      `http://127.0.0.1:9/done?connect_session=${session.body.id}&error=provider_unavailable`,
    ])
    const shown = await as('GET', `/v1/connect-sessions/${session.body.id}`)
    expect(shown.body).toMatchObject({ status: 'failed', error: 'provider_unavailable' })
    expect(provider.requests.length).toBe(asked)
  })

  it('has a name that leaves something for a URL and is not taken', async () => {
    for (const name of ['', '..', '日本', 'x'.repeat(64)])
      await expect(rig.secondTenant(name), name).rejects.toThrow('cannot be part of a URL')
    await expect(rig.secondTenant('branch')).rejects.toThrow('nothing was changed')
    await expect(rig.secondTenant('BRANCH')).rejects.toThrow('nothing was changed')
    await expect(rig.secondTenant('../branch ')).rejects.toThrow('nothing was changed')
  })

  it('needs PostgreSQL: the embedded database holds one tenant', async () => {
    const small = await startRig()
    try {
      await expect(createTenant({ name: 'more', data: small.folder, json: true }, quietIo({}))).rejects.toThrow(
        'The embedded database holds one tenant',
      )
      expect((await small.call('GET', '/healthz', undefined, { base: `${small.url}/t/more` })).status).toBe(404)
    } finally {
      await small.close()
    }
  })
})
