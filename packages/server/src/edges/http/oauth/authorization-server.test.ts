import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentScopes } from '../../../core/client.ts'
import type { ClientId } from '../../../core/ids.ts'
import { deleteClient } from '../../../flows/agents/delete-client.ts'
import { rotateClientSecret } from '../../../flows/agents/rotate-client-secret.ts'
import { basic, openWorld, type World } from './test-world.ts'

let world: World
let agent: { id: string; secret: string }
let app: { id: string; secret: string }

beforeAll(async () => {
  world = await openWorld()
  agent = await world.client({})
  app = await world.client({ kind: 'app', name: 'back end', scopes: ['users:read', 'tasks:write'] })
})
afterAll(() => world.close())

const grant = { grant_type: 'client_credentials' }

describe('a token from client credentials', () => {
  test('is an at+jwt of RFC 9068 that the published keys verify (rows 28, 40)', async () => {
    const { status, headers, body } = await world.post(grant, basic(agent))
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('access-control-allow-origin')).toBeNull()
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      scope: agentScopes.join(' '),
    })
    expect(decodeProtectedHeader(body.access_token)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: expect.any(String) })
    const keys = createRemoteJWKSet(new URL(`${world.url}/oauth/jwks`))
    const { payload } = await jwtVerify(body.access_token, keys, {
      issuer: world.url,
      audience: world.url,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    })
    expect(payload).toEqual({
      iss: world.url,
      aud: world.url,
      sub: agent.id,
      client_id: agent.id,
      scope: agentScopes.join(' '),
      tenant: world.tenant,
      jti: expect.stringMatching(/^[\w-]{22}$/),
      iat: expect.any(Number),
      exp: payload.iat! + 600,
    })
  })

  test('has no user, and comes without a refresh token (row 102)', async () => {
    const { body } = await world.post(grant, basic(app))
    expect(decodeJwt(body.access_token).sub).toBe(app.id)
    expect(body.refresh_token).toBeUndefined()
    expect(body.expires_in).toBe(3600)
  })

  test('is for the resource asked for and for no unknown one (RFC 8707)', async () => {
    const mcp = await world.token(agent, { resource: `${world.url}/mcp` })
    expect(decodeJwt(mcp).aud).toBe(`${world.url}/mcp`)
    for (const form of [
      { ...grant, resource: 'https://elsewhere.example' },
      { ...grant, resource: `${world.url}/` },
      `grant_type=client_credentials&resource=${world.url}&resource=${world.url}/mcp`,
    ]) {
      const { status, body } = await world.post(form, basic(agent))
      expect([status, body.error]).toEqual([400, 'invalid_target'])
    }
  })

  test('has the scopes asked for; one that is not the client’s is refused, not left out (row 97)', async () => {
    expect(decodeJwt(await world.token(agent, { scope: 'connections:use' })).scope).toBe('connections:use')
    for (const scope of ['connections:use clients:write', 'openid', 'offline_access', 'CONNECTIONS:USE']) {
      const { status, body } = await world.post({ ...grant, scope }, basic(agent))
      expect([status, body.error]).toEqual([400, 'invalid_scope'])
    }
  })

  test('is told by the log before it is handed out, without itself (rows 24, 84)', async () => {
    const token = await world.token(agent)
    const events = await world.events('token.issued')
    const event = events.find(({ facts }) => facts?.token === decodeJwt(token).jti)
    expect(event).toMatchObject({ agent: agent.id, outcome: 'ok', request_id: 'req_test', ip: '127.0.0.1' })
    expect(JSON.stringify(events)).not.toContain(token.split('.')[2])
  })

  test('names the issuer of the configuration whatever the Host header says (row 52)', async () => {
    const { body } = await world.post(grant, {
      ...basic(agent),
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
    })
    expect(decodeJwt(body.access_token).iss).toBe(world.url)
  })
})

describe('the authentication of a client', () => {
  test('is by the registered method and no other (row 31)', async () => {
    const poster = await world.client({ authenticationMethod: 'client_secret_post' })
    const form = (client: { id: string; secret: string }) => ({
      ...grant,
      client_id: client.id,
      client_secret: client.secret,
    })
    expect((await world.post(form(poster))).status).toBe(200)
    expect((await world.post(grant, basic(agent))).status).toBe(200)
    for (const answer of [await world.post(grant, basic(poster)), await world.post(form(agent))]) {
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
    }
  })

  test('is given once: basic and post together are invalid_request (row 31)', async () => {
    const { status, body } = await world.post({ ...grant, client_secret: agent.secret }, basic(agent))
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })

  test('fails alike for an unknown client and a wrong secret, with a challenge (rows 31, 82)', async () => {
    const other = await world.client({})
    const wrong = await world.post(grant, basic({ ...other, secret: agent.secret }))
    const unknown = await world.post(grant, basic({ id: `agt_${'0'.repeat(26)}`, secret: agent.secret }))
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toContain('Basic')
    expect(wrong.headers.get('cache-control')).toBe('no-store')
    expect(unknown.status).toBe(wrong.status)
    expect(unknown.body).toEqual(wrong.body)
    const [event] = await world.events('login.failed')
    expect(event).toMatchObject({
      agent: other.id,
      outcome: 'denied',
      facts: { reason: 'invalid_client', failures: 1 },
    })
  })

  test('is closed for a while after many wrong guesses, for that client and address alone (rows 31, 81)', async () => {
    const victim = await world.client({})
    const statuses: number[] = []
    for (let guess = 0; guess < 1000; guess++) {
      const { status } = await world.post(grant, basic({ ...victim, secret: `guess-${guess}` }))
      statuses.push(status)
    }
    expect(statuses.filter(status => status === 401)).toHaveLength(20)
    expect(statuses.filter(status => status === 429)).toHaveLength(980)
    const closed = await world.post(grant, basic(victim))
    expect([closed.status, closed.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)])
    expect((await world.post(grant, basic(agent))).status).toBe(200)
    world.skip(60_000)
    expect((await world.post(grant, basic(victim))).status).toBe(200)
    const failures = (await world.events('login.failed')).filter(event => event.agent === victim.id)
    expect(failures.map(event => event.facts?.failures)).toEqual([20, 1])
  })

  test('counts every spelling of a client id as that client', async () => {
    const victim = await world.client({})
    const spelled = (at: number) =>
      `${victim.id.slice(0, at)}%${victim.id.charCodeAt(at).toString(16)}${victim.id.slice(at + 1)}`
    const statuses: number[] = []
    for (let at = 0; at < 25; at++)
      statuses.push((await world.post(grant, basic({ id: spelled(at), secret: 'guess' }))).status)
    expect(statuses.filter(status => status === 401)).toHaveLength(20)
    expect(statuses.slice(20)).toEqual([429, 429, 429, 429, 429])
  })

  test('ends with the client: a deleted one gets no token', async () => {
    const short = await world.client({})
    await world.token(short)
    await deleteClient(world.parts, world.operator, 'agent', short.id)
    expect((await world.post(grant, basic(short))).body.error).toBe('invalid_client')
  })

  test('takes two secrets while one is being changed, and the old one ends (row 80)', async () => {
    const client = await world.client({})
    const { secret } = await rotateClientSecret(world.parts, world.operator, 'agent', client.id, 3600)
    const renewed = { id: client.id, secret: secret.reveal() }
    expect((await world.post(grant, basic(client))).status).toBe(200)
    expect((await world.post(grant, basic(renewed))).status).toBe(200)
    world.skip(3_600_000)
    expect((await world.post(grant, basic(client))).status).toBe(401)
    expect((await world.post(grant, basic(renewed))).status).toBe(200)
  })

  test('does not believe a row that somebody altered in the database, and says so in the log (P6)', async () => {
    const altered = await world.client({})
    await world.parts.store.change(world.tenant, async rows => {
      const row = (await rows.clients.get(altered.id as ClientId))!
      await rows.clients.update({ ...row, scopes: [...row.scopes, 'clients:write'] })
    })
    expect((await world.post(grant, basic(altered))).status).toBe(401)
    expect(world.logged.join('')).toContain('altered outside Valetkey')
  })

  test('leaves no secret and no token in the database or the log, from which nobody can authenticate (rows 24, 26)', async () => {
    const token = await world.token(agent)
    const { options } = world.database
    const folder = options.kind === 'sqlite' ? options.folder : ''
    const files = await readdir(folder)
    const bytes = Buffer.concat(
      await Promise.all(files.map(file => readFile(join(folder, file)).catch(() => Buffer.of()))),
    )
    const { secretHash } = (await world.parts.store.asTenant(world.tenant, rows =>
      rows.clients.get(agent.id as ClientId),
    ))!
    expect(bytes.includes(secretHash!)).toBe(true)
    expect(bytes.includes(agent.secret)).toBe(false)
    expect(bytes.includes(token)).toBe(false)
    expect(bytes.includes('"d":')).toBe(false)
    expect((await world.post(grant, basic({ ...agent, secret: secretHash! }))).status).toBe(401)
    const log = world.logged.join('')
    for (const secret of [agent.secret, token, world.operatorSecret]) expect(log).not.toContain(secret)
  })
})

describe('the token endpoint', () => {
  test('takes POST only, form-encoded, nothing in the query, nothing twice (row 33)', async () => {
    const got = await fetch(`${world.url}/oauth/token`, { headers: basic(agent) })
    expect([got.status, got.headers.get('allow'), got.headers.get('cache-control')]).toEqual([405, 'POST', 'no-store'])
    const inQuery = await fetch(`${world.url}/oauth/token?client_secret=x`, {
      method: 'POST',
      body: new URLSearchParams(grant),
      headers: basic(agent),
    })
    expect([inQuery.status, (await inQuery.json()).error]).toEqual([400, 'invalid_request'])
    const bad: [string, Record<string, string>][] = [
      [JSON.stringify(grant), { ...basic(agent), 'content-type': 'application/json' }],
      ['grant_type=client_credentials&scope=connections:use&scope=connections:read', basic(agent)],
      ['grant_type=client_credentials&grant_type=client_credentials', basic(agent)],
      ['grant_type=client_credentials&made_up=1&made%5Fup=2', basic(agent)],
      [`grant_type=client_credentials&client_id=${app.id}`, basic(agent)],
      ['', basic(agent)],
    ]
    for (const [form, headers] of bad) {
      const { status, body, headers: given } = await world.post(form, headers)
      expect([form, status, body.error]).toEqual([form, 400, 'invalid_request'])
      expect(given.get('cache-control')).toBe('no-store')
    }
    // RFC 6749 section 5.2: no client authentication included.
    const anonymous = await world.post(grant, {})
    expect([anonymous.status, anonymous.body.error]).toEqual([401, 'invalid_client'])
    expect(anonymous.headers.get('www-authenticate')).toMatch(/^Basic /)
    expect((await world.post(`grant_type=client_credentials&x=${'a'.repeat(70_000)}`, basic(agent))).status).toBe(413)
  })

  test('knows no password and no implicit grant type, and no authorization endpoint answers (row 30)', async () => {
    for (const grant_type of ['password', 'implicit', 'authorization_code', 'refresh_token', 'urn:example:none']) {
      const { status, body } = await world.post({ grant_type, username: 'a', password: 'b' }, basic(agent))
      expect([grant_type, status, body.error]).toEqual([grant_type, 400, 'unsupported_grant_type'])
    }
    for (const path of ['auth', 'authorize', 'reg', 'par', 'session/end', 'me', 'introspect', 'revoke', 'token/x']) {
      const answer = await fetch(`${world.url}/oauth/${path}?response_type=token&client_id=${agent.id}`)
      expect([path, answer.status]).toEqual([path, 404])
    }
  })

  test('answers in JSON also to a browser, and gives other origins no leave to read', async () => {
    const { headers, body } = await world.post(
      { grant_type: 'x' },
      { ...basic(agent), accept: 'text/html', origin: 'https://evil.example' },
    )
    expect(body.error).toBe('unsupported_grant_type')
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})
