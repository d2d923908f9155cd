import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onBoth, type Reply, type Rig, startRig } from '../rig.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const basic = (client: { client_id: string; client_secret: string }) =>
  `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString())

/** One request with headers as they are, also those that fetch keeps for itself. */
function raw(url: string, headers: readonly string[], method = 'GET'): Promise<{ status: number; text: string }> {
  const { hostname, port, pathname, search } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { hostname, port, path: `${pathname}${search}`, method, setHost: false, headers },
      answer => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', chunk => {
          text += chunk
        })
        answer.on('end', () => resolve({ status: answer.statusCode!, text }))
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** What is not a live access token of this tenant for this resource opens nothing (rows 8, 9, 28, 29, 34). */
describe.each(onBoth)('tokens on $database', ({ database }) => {
  let rig: Rig
  let agent: Awaited<ReturnType<Rig['agent']>>
  beforeAll(async () => {
    rig = await startRig({ database })
    await rig.user('alice')
    agent = await rig.agent()
  })
  afterAll(() => rig.close())

  const decide = { connection: 'generic-oidc', method: 'GET', path: '/' }
  const users = (options: Parameters<Rig['call']>[3]) => rig.call('GET', '/v1/users', undefined, options)
  const decisions = (options: Parameters<Rig['call']>[3]) => rig.call('POST', '/v1/decisions', decide, options)

  async function expectInvalid(name: string, options: Parameters<Rig['call']>[3]): Promise<void> {
    for (const answer of [await users(options), await decisions(options)]) {
      expect([name, answer.status, answer.body.code]).toEqual([name, 401, 'unauthorized'])
      const challenge = answer.headers.get('www-authenticate')!
      expect(challenge).toContain('error="invalid_token"')
      expect(challenge).toContain(`resource_metadata="${rig.url}/.well-known/oauth-protected-resource"`)
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
    }
  }

  async function expectNoCredentials(name: string, answer: Reply): Promise<void> {
    expect([name, answer.status]).toEqual([name, 401])
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer resource_metadata="[^"]+"$/)
  }

  it('none is 401 without an error (row 9)', async () => {
    await expectNoCredentials('users', await users({}))
    await expectNoCredentials('decisions', await decisions({}))
  })

  it('in the query or in a body is not looked for (row 34)', async () => {
    const token = await rig.token()
    await expectNoCredentials('query', await rig.call('GET', `/v1/users?access_token=${token}`))
    const inBody = await rig.call('POST', '/v1/users', `access_token=${token}`, { headers: form })
    await expectNoCredentials('body', inBody)
    const cookie = await users({ headers: { cookie: `access_token=${token}; session=${token}` } })
    await expectNoCredentials('cookie', cookie)
  })

  it('garbage, of other schemes, cut, altered or doubled are invalid_token (row 9)', async () => {
    const token = await rig.token()
    const [head, body, signature] = token.split('.') as [string, string, string]
    const flipped = `${signature.slice(0, -4)}${signature.slice(-4) === 'AAAA' ? 'BBBB' : 'AAAA'}`
    for (const [name, authorization] of [
      ['garbage', 'Bearer garbage'],
      ['empty', 'Bearer '],
      ['no scheme', token],
      ['the scheme of the proxy', `token ${token}`],
      ['the operator’s secret as Basic', basic(rig.operator)],
      ['the operator’s secret as Bearer', `Bearer ${rig.operator.client_secret}`],
      ['without signature', `Bearer ${head}.${body}.`],
      ['with two parts', `Bearer ${head}.${body}`],
      ['another signature', `Bearer ${head}.${body}.${flipped}`],
      ['two tokens in one field', `Bearer ${token}, Bearer ${token}`],
      ['20,000 characters', `Bearer ${'A'.repeat(20_000)}`],
    ] as const)
      await expectInvalid(name, { headers: { authorization } })
  })

  it('two Authorization fields are refused, whichever of them is good (row 9)', async () => {
    const token = await rig.token()
    for (const second of [`Bearer ${token}`, 'Bearer garbage']) {
      const both = ['authorization', `Bearer ${token}`, 'authorization', second, 'host', new URL(rig.url).host]
      expect((await raw(`${rig.url}/v1/users`, both)).status).toBe(401)
    }
    const one = ['authorization', `Bearer ${token}`, 'host', new URL(rig.url).host]
    expect((await raw(`${rig.url}/v1/users`, one)).status).toBe(200)
  })

  it('forged ones are refused: alg none, HS256 by our public key, other typ, keys of their own (rows 28, 29, 88)', async () => {
    const token = await rig.token()
    const [head, body] = token.split('.') as [string, string]
    const header = read(head)
    expect(header.typ).toBe('at+jwt')
    const { keys } = (await rig.call('GET', '/oauth/jwks')).body
    const key = keys.find((row: { kid: string }) => row.kid === header.kid)
    expect(key).toBeDefined()
    const hs = (signing: unknown, secret: string) => {
      const input = `${part(signing)}.${body}`
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    }
    const [, , signature] = token.split('.') as [string, string, string]
    for (const [name, forged] of [
      ['alg none', `${part({ ...header, alg: 'none' })}.${body}.`],
      ['alg None', `${part({ ...header, alg: 'None' })}.${body}.${signature}`],
      ['HS256 by the JWK', hs({ ...header, alg: 'HS256' }, JSON.stringify(key))],
      ['HS256 by x', hs({ ...header, alg: 'HS256' }, key.x)],
      ['typ JWT', `${part({ ...header, typ: 'JWT' })}.${body}.${signature}`],
      ['a jku', `${part({ ...header, jku: 'http://127.0.0.1:9/jwks' })}.${body}.${signature}`],
      ['an unknown kid', `${part({ ...header, kid: '../../../etc/passwd' })}.${body}.${signature}`],
      ['an unknown crit', `${part({ ...header, crit: ['x'] })}.${body}.${signature}`],
      [
        'other claims',
        `${head}.${part({ ...read(body), scope: 'audit:read users:read', exp: 9_999_999_999 })}.${signature}`,
      ],
    ] as const)
      await expectInvalid(name, { token: forged })
  })

  it('of the same issuer for another resource is refused at the API (row 8)', async () => {
    const answer = await rig.call(
      'POST',
      '/oauth/token',
      new URLSearchParams({ grant_type: 'client_credentials', resource: `${rig.url}/mcp` }).toString(),
      { headers: { ...form, authorization: basic(agent) } },
    )
    expect(answer.status).toBe(200)
    expect(read(answer.body.access_token.split('.')[1]).aud).toBe(`${rig.url}/mcp`)
    await expectInvalid('for the MCP endpoint', { token: answer.body.access_token })
    const unknown = await rig.call(
      'POST',
      '/oauth/token',
      new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://other.example' }).toString(),
      { headers: { ...form, authorization: basic(agent) } },
    )
    expect([unknown.status, unknown.body.error]).toEqual([400, 'invalid_target'])
  })

  it('of a provider, its access token and its ID token, are refused (row 29)', async () => {
    const { provider } = await rig.provider()
    const issued = provider.issueTokens('alice', 'valetkey-at-provider')
    await expectInvalid('the provider’s', { token: issued.accessToken })
  })

  it('of an ended task are refused from the answer on (rows 29, 35)', async () => {
    const task = await rig.task(agent.id, 'alice')
    const before = await decisions({ token: task.token })
    expect(before.status).not.toBe(401)
    const claims = read(task.token.split('.')[1]!)
    expect(claims).toMatchObject({ client_id: agent.id, act: { sub: agent.id }, task: task.id, tenant: rig.tenant })
    expect(claims.sub).toMatch(/^usr_/)
    expect((await rig.asOperator('POST', `/v1/tasks/${task.id}/end`)).status).toBe(200)
    await expectInvalid('of an ended task', { token: task.token })
  })

  it('of a deleted client are refused from the answer on, and it gets no new ones', async () => {
    const gone = await rig.agent('Gone')
    const token = await rig.token(gone)
    expect((await decisions({ token })).status).not.toBe(401)
    expect((await rig.asOperator('DELETE', `/v1/agents/${gone.id}`)).status).toBe(200)
    await expectInvalid('of a deleted agent', { token })
    const again = await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
      headers: { ...form, authorization: basic(gone) },
    })
    expect([again.status, again.body.error]).toEqual([401, 'invalid_client'])
  })

  it('live 10 minutes for agents and an hour at most for others, then they are refused (row 27)', async () => {
    const other = await rig.agent('Timed')
    const token = await rig.token(other)
    const claims = read(token.split('.')[1]!)
    expect(claims.exp - claims.iat).toBe(600)
    expect((await decisions({ token })).status).not.toBe(401)
    const operator = await rig.token()
    const life = read(operator.split('.')[1]!)
    expect(life.exp - life.iat).toBeLessThanOrEqual(3600)
    rig.advance(601)
    await expectInvalid('expired', { token })
    rig.advance(3600)
    await expectInvalid('expired', { token: operator })
  })

  it('come from the token endpoint by POST, form-encoded, with one way to authenticate (rows 30, 31, 32, 33)', async () => {
    const client = await rig.agent('Correct')
    const ask = (body: string, headers: Record<string, string>, path = '/oauth/token') =>
      rig.call('POST', path, body, { headers: { ...form, ...headers } })
    const authorization = basic(client)
    const grant = 'grant_type=client_credentials'
    const good = await ask(grant, { authorization })
    expect(good.status).toBe(200)
    expect(good.headers.get('cache-control')).toBe('no-store')
    expect(good.body.refresh_token).toBeUndefined()
    const secret = encodeURIComponent(client.client_secret)
    for (const [name, answer, status, error] of [
      ['GET', await rig.call('GET', `/oauth/token?${grant}`), 405, 'invalid_request'],
      ['query', await ask(grant, { authorization }, '/oauth/token?client_secret=x'), 400, 'invalid_request'],
      ['scope twice', await ask(`${grant}&scope=a&scope=b`, { authorization }), 400, 'invalid_request'],
      ['grant type twice', await ask(`${grant}&${grant}`, { authorization }), 400, 'invalid_request'],
      ['JSON', await ask('{}', { authorization, 'content-type': 'application/json' }), 400, 'invalid_request'],
      [
        'Basic and body',
        await ask(`${grant}&client_id=${client.client_id}&client_secret=${secret}`, { authorization }),
        400,
        'invalid_request',
      ],
      [
        'another method than registered',
        await ask(`${grant}&client_id=${client.client_id}&client_secret=${secret}`, {}),
        401,
        'invalid_client',
      ],
      [
        'password',
        await ask('grant_type=password&username=a&password=b', { authorization }),
        400,
        'unsupported_grant_type',
      ],
      ['implicit', await ask('grant_type=implicit', { authorization }), 400, 'unsupported_grant_type'],
    ] as const) {
      expect([name, answer.status, answer.body.error]).toEqual([name, status, error])
      expect([name, answer.headers.get('cache-control')]).toEqual([name, 'no-store'])
      expect(answer.text).not.toContain(client.client_secret)
    }
    const wrong = await ask(grant, { authorization: basic({ ...client, client_secret: 'wrong' }) })
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic/)
    const unknown = await ask(grant, { authorization: basic({ client_id: 'agt_unknown', client_secret: 'wrong' }) })
    expect(unknown.text).toBe(wrong.text)
  })

  it('cannot be guessed for: wrong secrets close the door for that client with 429 and Retry-After (rows 31, 81)', async () => {
    const victim = await rig.agent('Victim')
    const statuses = new Set<number>()
    let last: Reply | undefined
    for (let i = 0; i < 200; i++) {
      last = await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
        headers: { ...form, authorization: basic({ ...victim, client_secret: `guess-${i}` }) },
      })
      statuses.add(last.status)
      if (last.status === 429) break
    }
    expect([...statuses]).toEqual([401, 429])
    expect(Number(last!.headers.get('retry-after'))).toBeGreaterThan(0)
    const failed = await rig.asOperator('GET', `/v1/audit/events?type=login.failed&agent=${victim.id}`)
    expect(failed.body.data.length).toBeGreaterThanOrEqual(1)
    expect(failed.body.data.length).toBeLessThanOrEqual(2)
    expect(failed.text).not.toContain('guess-')
    rig.advance(3600)
    expect((await rig.call('GET', '/healthz')).status).toBe(200)
    expect(await rig.token(victim)).toBeTruthy()
  })
})

/** Where clients find us: from the settings, whatever a request says about hosts (rows 40, 42, 52, 92). */
describe('metadata', () => {
  let rig: Rig
  let branch: Awaited<ReturnType<Rig['secondTenant']>>
  beforeAll(async () => {
    rig = await startRig({ database: 'postgres' })
    branch = await rig.secondTenant('branch')
  })
  afterAll(() => rig.close())

  it('is served in both well-known forms, for each tenant its own (rows 40, 42)', async () => {
    const read = async (path: string) => {
      const answer = await rig.call('GET', path)
      expect([path, answer.status]).toEqual([path, 200])
      expect(answer.headers.get('content-type')).toContain('application/json')
      return answer.body
    }
    for (const [base, inserted, appended] of [
      [rig.url, '', ''],
      [branch.base, '/t/branch', '/t/branch'],
    ] as const) {
      const documents = [
        await read(`/.well-known/oauth-authorization-server${inserted}`),
        await read(`/.well-known/openid-configuration${inserted}`),
        await read(`${appended}/.well-known/openid-configuration`),
        await read(`${appended}/.well-known/oauth-authorization-server`),
      ]
      for (const document of documents) {
        expect(document).toEqual(documents[0])
        expect(document.issuer).toBe(base)
        expect(document.token_endpoint).toBe(`${base}/oauth/token`)
        expect(document.grant_types_supported).not.toContain('password')
        expect(document.response_types_supported).not.toContain('token')
        expect((await fetch(document.jwks_uri)).status).toBe(200)
      }
      const resource = await read(`/.well-known/oauth-protected-resource${inserted}`)
      expect(resource).toEqual(await read(`${appended}/.well-known/oauth-protected-resource`))
      expect(resource).toMatchObject({ resource: base, authorization_servers: [base] })
      const mcp = await read(`/.well-known/oauth-protected-resource${inserted}/mcp`)
      expect(mcp).toMatchObject({ resource: `${base}/mcp`, authorization_servers: [base] })
      for (const document of [resource, mcp]) expect(document.scopes_supported).not.toContain('offline_access')
    }
    const keysOf = async (base: string) => (await rig.call('GET', '/oauth/jwks', undefined, { base })).body.keys
    const own = (await keysOf(rig.url)).map((key: { kid: string }) => key.kid)
    const others = (await keysOf(branch.base)).map((key: { kid: string }) => key.kid)
    expect(own.filter((kid: string) => others.includes(kid))).toEqual([])
    for (const key of await keysOf(rig.url)) expect(Object.keys(key)).not.toContain('d')
  })

  it('and links do not follow Host or X-Forwarded-Host, -Proto (row 52)', async () => {
    const lies = [
      'host',
      'evil.example',
      'x-forwarded-host',
      'evil.example',
      'x-forwarded-proto',
      'https',
      'forwarded',
      'host=evil.example;proto=https',
    ]
    for (const path of [
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
      '/t/branch/.well-known/openid-configuration',
      '/.well-known/oauth-protected-resource',
      '/openapi.json',
    ]) {
      const lied = await raw(`${rig.url}${path}`, lies)
      const honest = await rig.call('GET', path)
      expect([path, lied.status, lied.text]).toEqual([path, 200, honest.text])
    }
    const token = await rig.token()
    const listed = await raw(`${rig.url}/v1/integrations`, [...lies, 'authorization', `Bearer ${token}`])
    expect(listed.status).toBe(200)
    expect(listed.text).not.toContain('evil')
    const claims = read(token.split('.')[1]!)
    expect([claims.iss, claims.aud]).toEqual([rig.url, rig.url])
  })

  it('the address in events is the socket’s: X-Forwarded-For of a peer that is not a trusted proxy is ignored (row 52)', async () => {
    const token = await rig.token()
    await rig.call(
      'POST',
      '/v1/users',
      { external_id: 'forwarded' },
      {
        token,
        headers: { 'x-forwarded-for': '203.0.113.7', 'x-request-id': 'forwarded-1' },
      },
    )
    const events = await rig.asOperator('GET', '/v1/audit/events?request=forwarded-1')
    expect(events.body.data).toHaveLength(1)
    expect(events.body.data[0].ip).toBe('127.0.0.1')
  })

  it('and is the last untrusted hop when the peer is a trusted proxy (row 52)', async () => {
    const behind = await startRig({ environment: { VALETKEY_TRUSTED_PROXIES: '127.0.0.0/8' } })
    try {
      await behind.call(
        'POST',
        '/v1/users',
        { external_id: 'forwarded' },
        {
          token: await behind.token(),
          headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.7, 127.0.0.9', 'x-request-id': 'forwarded-2' },
        },
      )
      const events = await behind.asOperator('GET', '/v1/audit/events?request=forwarded-2')
      expect(events.body.data[0].ip).toBe('203.0.113.7')
    } finally {
      await behind.close()
    }
  })
})
