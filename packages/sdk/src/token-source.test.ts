import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startWireServer, type WireServer } from '../test/wire-server.ts'
import { Valetkey, ValetkeyError, type ValetkeyOptions } from './valetkey.ts'

let server: WireServer
let clock = 0

beforeEach(async () => {
  clock = 1_800_000_000_000
  server = await startWireServer()
  server.route = () => ({ json: { data: [], next_cursor: null } })
})
afterEach(() => server.close())

const client = (more: object = {}) =>
  new Valetkey({ url: server.url, clientId: 'client', clientSecret: 'secret', now: () => clock, ...more })
const task = (more: Partial<Extract<ValetkeyOptions, { task: object }>> = {}) => {
  server.live.add('first')
  return new Valetkey({
    url: server.url,
    task: { id: 'tsk_1', token: 'first', expiresIn: 600 },
    now: () => clock,
    ...more,
  })
}
const seen = (target: string) => server.seen.filter(request => request.target === target)
const bearers = () =>
  server.seen.filter(({ target }) => target === '/v1/users').map(({ headers }) => headers.authorization)
const read = (vault: Valetkey) => vault.request({ method: 'GET', path: '/v1/users' })

test('twenty calls at once ask for one token', async () => {
  const vault = client()
  await Promise.all(Array.from({ length: 20 }, () => read(vault)))
  expect(seen('/oauth/token')).toHaveLength(1)
  expect(new Set(bearers())).toEqual(new Set(['Bearer token-1']))
})

test('a client token is asked for by client_secret_basic and kept until shortly before its end', async () => {
  const vault = client({ scopes: ['users:read', 'grants:read'], resource: 'https://v.example' })
  await read(vault)
  clock += 539_000
  await read(vault)
  expect(seen('/oauth/token')).toHaveLength(1)
  clock += 2_000
  await read(vault)
  expect(seen('/oauth/token')).toHaveLength(2)
  expect(seen('/oauth/token')[0]).toMatchObject({
    method: 'POST',
    body: 'grant_type=client_credentials&scope=users%3Aread+grants%3Aread&resource=https%3A%2F%2Fv.example',
  })
})

test('id and secret are form-encoded before they are joined (RFC 6749 section 2.3.1)', async () => {
  let header: string | undefined
  server.before = ({ headers }) => {
    header ??= headers.authorization
    return { status: 401, json: { error: 'invalid_client' } }
  }
  const vault = new Valetkey({ url: server.url, clientId: 'a:b c', clientSecret: 'ü%+' })
  await expect(read(vault)).rejects.toMatchObject({ code: 'oauth_error', oauthError: 'invalid_client', status: 401 })
  expect(header).toBe(`Basic ${btoa('a%3Ab+c:%C3%BC%25%2B')}`)
})

test('a token that the server no longer takes is replaced once, and the call sent again', async () => {
  const vault = client()
  await read(vault)
  server.live.clear()
  await read(vault)
  expect(bearers()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2'])
})

test('many calls that meet the end of one token at once replace it once', async () => {
  const vault = client()
  await read(vault)
  server.live.clear()
  await Promise.all(Array.from({ length: 10 }, () => read(vault)))
  expect(seen('/oauth/token')).toHaveLength(2)
})

test('a second refusal is the answer: no loop of renewals', async () => {
  const vault = client()
  server.before = ({ target, headers }) => {
    if (target !== '/v1/users' || headers.authorization === undefined) return undefined
    return {
      status: 401,
      headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
      json: { code: 'unauthorized', detail: 'No.' },
    }
  }
  await expect(read(vault)).rejects.toMatchObject({ code: 'unauthorized', status: 401 })
  expect(bearers()).toHaveLength(2)
})

test('a failing token endpoint does not harm a token that still lives', async () => {
  const vault = client()
  await read(vault)
  server.before = ({ target }) =>
    target === '/oauth/token' ? { status: 503, json: { error: 'temporarily_unavailable' } } : undefined
  clock += 550_000
  await read(vault)
  await read(vault)
  expect(bearers()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1'])
  // It is not asked again with every call.
  expect(seen('/oauth/token')).toHaveLength(2)
  clock += 60_000
  await expect(read(vault)).rejects.toMatchObject({ code: 'oauth_error', status: 503 })
})

test('a dropped token request is sent once more', async () => {
  let drops = 0
  server.before = ({ target }) => (target === '/oauth/token' && drops++ === 0 ? { drop: true } : undefined)
  await read(client())
  expect(seen('/oauth/token')).toHaveLength(2)
})

test('a task token renews itself by itself from half of its life on', async () => {
  const vault = task()
  await read(vault)
  clock += 299_000
  await read(vault)
  expect(seen('/v1/tasks/tsk_1/renew')).toHaveLength(0)
  clock += 2_000
  await read(vault)
  expect(seen('/v1/tasks/tsk_1/renew').map(({ headers }) => headers.authorization)).toEqual(['Bearer first'])
  expect(bearers()).toEqual(['Bearer first', 'Bearer first', 'Bearer token-1'])
})

test('an agent with its own credentials renews a task token that has ended', async () => {
  const vault = task({ clientId: 'client', clientSecret: 'secret' })
  server.live.clear()
  clock += 3_600_000
  await read(vault)
  expect(seen('/v1/tasks/tsk_1/renew').map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1'])
  expect(bearers()).toEqual(['Bearer token-2'])
})

test('the end of a task is told as expired', async () => {
  const vault = task()
  server.before = ({ target }) =>
    target.endsWith('/renew')
      ? { status: 410, json: { code: 'expired', title: 'Over', detail: 'The task has ended.' } }
      : undefined
  clock += 400_000
  await expect(read(vault)).rejects.toMatchObject({ code: 'expired', status: 410 })
})

test('a task token without a told life is renewed by the end that it carries', async () => {
  const exp = Math.floor(clock / 1000) + 600
  const token = `h.${btoa(JSON.stringify({ exp })).replaceAll('=', '')}.s`
  server.live.add(token)
  const vault = new Valetkey({ url: server.url, task: { id: 'tsk_1', token }, now: () => clock })
  clock += 299_000
  await read(vault)
  clock += 2_000
  await read(vault)
  expect(bearers()).toEqual([`Bearer ${token}`, 'Bearer token-1'])
})

test('a given function is asked for every call and once more after a refusal', async () => {
  server.live.add('good')
  const given = ['stale', 'good']
  const vault = new Valetkey({ url: server.url, token: async () => given.shift() ?? 'good' })
  await read(vault)
  expect(bearers()).toEqual(['Bearer stale', 'Bearer good'])
})

test('a given function that fails is told with its cause, and nothing is sent', async () => {
  const cause = new Error('my store is away')
  const vault = new Valetkey({
    url: server.url,
    token: async () => {
      throw cause
    },
  })
  await expect(read(vault)).rejects.toMatchObject({ cause })
  expect(server.seen).toHaveLength(0)
})

test('no token and no secret is on the client, in its output or in its errors (row 24)', async () => {
  const canary = 'canary-c0ffee'
  server.live.add(canary)
  const errors: unknown[] = []
  const clients = [
    new Valetkey({ url: server.url, clientId: 'client', clientSecret: canary }),
    new Valetkey({ url: server.url, token: canary }),
    new Valetkey({ url: server.url, task: { id: 'tsk_1', token: canary } }),
  ]
  for (const vault of clients) {
    await read(vault).catch(error => errors.push(error))
    server.route = () => ({ drop: true })
    await read(vault).catch(error => errors.push(error))
  }
  const shown = [...clients, ...clients.map(vault => vault.connection('con_1')), ...errors]
    .flatMap(value => [
      inspect(value, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(value),
      Object.keys(value as object).join(),
    ])
    .join('\n')
  expect(errors.length).toBeGreaterThan(2)
  expect(errors.every(error => error instanceof ValetkeyError)).toBe(true)
  expect(shown).not.toContain(canary)
  expect(shown).not.toContain(btoa(`client:${canary}`))
})

test('a secret does not leave over plain http, nor to a URL with more than a base in it (row 52)', () => {
  for (const url of [
    'http://valetkey.example.com',
    'ftp://localhost',
    'https://u:p@v.example',
    'https://v.example/?x=1',
    'http://127.0.0.1.evil.example',
  ]) {
    expect(() => new Valetkey({ url, clientId: 'client', clientSecret: 'secret' }), url).toThrow(TypeError)
  }
  expect(new Valetkey({ url: 'https://V.example/t/acme/', token: 'x' }).url).toBe('https://v.example/t/acme')
  expect(new Valetkey({ url: 'http://[::1]:7400', token: 'x' }).url).toBe('http://[::1]:7400')
})
