import { createHash } from 'node:crypto'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { closeAll, startApp } from './app-at-provider.ts'
import { startTestProvider } from './test-provider.ts'

afterEach(closeAll)

const jwksOf = async (url: string) => createLocalJWKSet((await (await fetch(`${url}/jwks`)).json()) as JSONWebKeySet)

test.each(['RS256', 'ES256'] as const)(
  'the %s id token is for this client, this nonce and this access token',
  async algorithm => {
    const app = await startApp({ signingAlgorithm: algorithm })
    const { body } = await app.connect('bob', { nonce: 'n-1' })
    const { payload } = await jwtVerify(body.id_token, await jwksOf(app.provider.url), {
      issuer: app.provider.issuer,
      audience: 'app',
      algorithms: [algorithm],
    })
    const half = createHash('sha256').update(body.access_token).digest().subarray(0, 16)
    expect(payload).toMatchObject({
      sub: 'bob',
      nonce: 'n-1',
      email: 'bob@example.com',
      at_hash: half.toString('base64url'),
    })
    expect(payload).not.toHaveProperty('name')
    expect(app.provider.allIssuedSecrets()).toContain(body.id_token)
  },
)

test('the id token is of the outside time, also when the provider is far ahead', async () => {
  const app = await startApp()
  app.provider.clock.advance(86_400 * 30)
  const { body } = await app.connect()
  await expect(jwtVerify(body.id_token, await jwksOf(app.provider.url))).resolves.toBeDefined()
})

test('a new signing key stands beside the former one', async () => {
  const app = await startApp()
  const before = (await app.connect()).body.id_token
  await app.provider.rotateSigningKey()
  const after = (await app.connect()).body.id_token
  const keys = await jwksOf(app.provider.url)
  expect((await jwtVerify(before, keys)).protectedHeader.kid).toBe('key-1')
  expect((await jwtVerify(after, keys)).protectedHeader.kid).toBe('key-2')
})

test('userinfo answers what the scopes open, to tokens with openid only', async () => {
  const app = await startApp()
  const { userinfo } = app.provider.endpoints
  const ask = async (scope: string) => {
    const { access_token } = (await app.connect('alice', { scope })).body
    return fetch(userinfo!, { headers: { authorization: `Bearer ${access_token}` } })
  }
  expect(await (await ask('openid profile')).json()).toEqual({ sub: 'alice', name: 'Alice Archer' })
  expect((await ask('email')).status).toBe(403)
})

test('both discovery documents name the issuer, under a path in both forms (RFC 8414 section 3.1)', async () => {
  const app = await startApp({ pathPrefix: '/tenant/one' })
  const { issuer } = app.provider
  const { origin, pathname } = new URL(issuer)
  for (const address of [
    `${issuer}/.well-known/openid-configuration`,
    `${issuer}/.well-known/oauth-authorization-server`,
    `${origin}/.well-known/openid-configuration${pathname}`,
    `${origin}/.well-known/oauth-authorization-server${pathname}`,
  ]) {
    expect(await (await fetch(address)).json()).toMatchObject({
      issuer,
      token_endpoint: app.provider.endpoints.token,
      authorization_response_iss_parameter_supported: true,
      code_challenge_methods_supported: ['S256'],
    })
  }
})

test('several providers share one server, each with its own clients, tokens and log', async () => {
  const app = await startApp({ pathPrefix: '/one' })
  const notion = await startTestProvider({ vendor: 'notion', on: app.provider, pathPrefix: '/notion' })
  expect(new URL(notion.url).origin).toBe(new URL(app.provider.url).origin)
  const { accessToken } = notion.issueTokens('alice', 'test-client')
  expect((await app.call('/api/me', accessToken)).status).toBe(401)
  const headers = { authorization: `Bearer ${accessToken}`, 'notion-version': '2022-06-28' }
  expect((await fetch(`${notion.url}/v1/users/me`, { headers })).status).toBe(200)
  expect(notion.requests.map(request => request.path)).toEqual(['/v1/users/me'])
  expect(app.provider.requests.map(request => request.path)).toEqual(['/api/me'])
  await expect(startTestProvider({ on: app.provider, pathPrefix: '/one' })).rejects.toThrow(/already mounted/)
  await notion.close()
  expect((await fetch(`${notion.url}/v1/users/me`, { headers })).status).toBe(404)
  expect((await app.call('/api/me', (await app.connect()).body.access_token)).status).toBe(200)
})

test('introspection tells a client about its own live tokens only (RFC 7662)', async () => {
  const app = await startApp()
  const { provider } = app
  provider.addClient({ id: 'other', secret: 'x', authMethod: 'client_secret_post' })
  const mine = provider.issueTokens('alice', 'other', ['items:read'])
  const foreign = provider.issueTokens('alice', 'app')
  const ask = async (token: string) => {
    const body = new URLSearchParams({ token, client_id: 'other', client_secret: 'x' })
    return (await fetch(provider.endpoints.introspect!, { method: 'POST', body })).json()
  }
  expect(await ask(mine.accessToken)).toMatchObject({ active: true, sub: 'alice', scope: 'items:read' })
  expect(await ask(foreign.accessToken)).toEqual({ active: false })
  provider.clock.advance(3600)
  expect(await ask(mine.accessToken)).toEqual({ active: false })
  expect((await fetch(provider.endpoints.introspect!, { method: 'POST', body: new URLSearchParams() })).status).toBe(
    401,
  )
})
