import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, onBoth, type Rig, startRig, walk } from '../rig.ts'

/** Corners of the API where something not asked for would slip through. */
describe.each(onBoth)('corners of the API on $database', ({ database }) => {
  let rig: Rig
  let provider: Awaited<ReturnType<Rig['provider']>>['provider']
  let integration: string
  let agent: Awaited<ReturnType<Rig['agent']>>
  beforeAll(async () => {
    rig = await startRig({ database })
    ;({ provider, integration } = await rig.provider())
    for (const name of ['alice', 'bob']) await rig.user(name)
    agent = await rig.agent()
  })
  afterAll(() => rig.close())

  it('a pending connection is ended by its session alone, so that nobody’s live connection dies of it (P6)', async () => {
    const alices = await rig.connect({ user: 'alice', integration, provider })
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'bob' },
      integration,
      scopes: ['openid', 'items:read'],
      return_to: 'http://127.0.0.1:9/done',
    })
    await walk(opened.body.connect_url, provider, 'alice')
    const pending = (await rig.asOperator('GET', '/v1/connections?user_external_id=bob&status=pending')).body.data[0].id
    for (const [method, path] of [
      ['DELETE', ''],
      ['POST', '/refresh'],
      ['GET', '/check'],
    ] as const) {
      const answer = await rig.asOperator(method, `/v1/connections/${pending}${path}`)
      expect([method, answer.status, answer.body.code]).toEqual([method, 409, 'connection_required'])
      expect(answer.text).not.toContain('alice')
    }
    expect((await rig.asOperator('GET', `/v1/connections/${alices}`)).body.status).toBe('active')
    expect((await rig.asOperator('GET', `/v1/connections/${alices}/check`)).body.ok).toBe(true)
  })

  it('an agent learns nothing about who else there is (row 83)', async () => {
    const { token } = await rig.task(agent.id, 'alice')
    const ask = async (external: string) => {
      const answer = await rig.call(
        'POST',
        '/v1/connect-sessions',
        { user: { external_id: external }, integration },
        { token },
      )
      return [answer.status, { ...answer.body, request_id: undefined }]
    }
    expect(await ask('bob')).toEqual(await ask('nobody-at-all'))
    expect((await ask('alice'))[0]).toBe(201)
  })

  it('routes without a body refuse one', async () => {
    const connection = await rig.connect({ user: 'alice', integration, provider })
    const { id } = await rig.task(agent.id, 'alice')
    for (const path of [`/v1/connections/${connection}/refresh`, `/v1/tasks/${id}/end`]) {
      const answer = await rig.asOperator('POST', path, { x: 1 })
      expect([path, answer.status, answer.body.errors?.[0]?.pointer]).toEqual([path, 400, '/x'])
    }
  })

  it('a rule for a host that the connection does not have, and a parameter that the provider does not take, are 400', async () => {
    const connection = await rig.connect({ user: 'alice', integration, provider })
    const grant = await rig.asOperator('POST', '/v1/grants', {
      agent: agent.id,
      connection,
      paths: [{ methods: ['GET'], host: 'evil.example', pattern: '/**' }],
      expires_at: new Date(rig.now() + 60_000).toISOString(),
    })
    expect([grant.status, grant.body.errors[0].pointer]).toEqual([400, '/paths/0/host'])
    const made = await rig.asOperator('POST', '/v1/integrations', { provider: 'slack', parameters: { subdomain: 'x' } })
    expect([made.status, made.body.errors[0].pointer]).toEqual([400, '/parameters/subdomain'])
  })

  it('`**` takes the rest, the root and one slash at the end', async () => {
    const connection = await rig.connect({ user: 'alice', integration, provider })
    await rig.grant({ agent: agent.id, connection, paths: everyPath })
    const { token } = await rig.task(agent.id, 'alice')
    for (const path of ['', '/', '/api/items/', '/api/items']) {
      const answer = await rig.call('GET', `/proxy/${connection}${path}`, undefined, { token })
      expect([path, answer.headers.get('valetkey-error')]).toEqual([path, null])
    }
  })

  it('an offer of HTTP/2 is left alone, any other upgrade is refused as a problem', async () => {
    const ask = (upgrade: string) =>
      new Promise<{ status: number; code: unknown }>((resolve, reject) => {
        const sent = request(`${rig.url}/healthz`, { headers: { connection: 'Upgrade', upgrade } }, got => {
          got.resume()
          got.on('end', () => resolve({ status: got.statusCode ?? 0, code: got.headers['valetkey-error'] }))
        })
        sent.on('error', reject)
        sent.end()
      })
    expect(await ask('h2c')).toEqual({ status: 200, code: undefined })
    expect(await ask('websocket')).toEqual({ status: 501, code: 'upgrade_not_supported' })
  })
})
