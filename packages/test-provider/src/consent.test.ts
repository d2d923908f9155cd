import { createHash, randomBytes } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { startTestProvider, type TestProvider, type TestProviderOptions } from './test-provider.ts'

const running: TestProvider[] = []
afterEach(async () => {
  for (const provider of running.splice(0)) await provider.close()
})

const redirectUri = 'http://127.0.0.1:9/callback'
const start = async (options: TestProviderOptions = {}) => {
  const provider = await startTestProvider({
    clients: [{ id: 'app', secret: 'app:s3cret/+%', redirectUris: [redirectUri] }],
    ...options,
  })
  running.push(provider)
  return provider
}
const verifier = randomBytes(32).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')
const basic = `Basic ${Buffer.from(`app:${encodeURIComponent('app:s3cret/+%')}`).toString('base64')}`

function authorizationUrl(provider: TestProvider, changed: Record<string, string | undefined> = {}): string {
  const url = new URL(provider.endpoints.authorize)
  const params = {
    client_id: 'app',
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email items:read offline_access',
    state: 'st&te=1',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...changed,
  }
  for (const [name, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

async function post(provider: TestProvider, members: Record<string, string>, headers: Record<string, string> = {}) {
  const response = await fetch(provider.endpoints.token, {
    method: 'POST',
    headers: { authorization: basic, ...headers },
    body: new URLSearchParams(members),
  })
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
}

async function codeFor(provider: TestProvider, user = 'alice', changed: Record<string, string | undefined> = {}) {
  const location = new URL(await provider.approve(authorizationUrl(provider, changed), { user }))
  return location.searchParams.get('code')!
}

const exchange = (provider: TestProvider, code: string, changed: Record<string, string> = {}) =>
  post(provider, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...changed,
  })

const me = (provider: TestProvider, token: string) =>
  fetch(`${provider.url}/api/me`, { headers: { authorization: `Bearer ${token}` } })

test('consent, exchange and an API call give the data of the person who consented', async () => {
  const provider = await start()
  const location = new URL(await provider.approve(authorizationUrl(provider), { user: 'bob' }))
  expect(location.origin + location.pathname).toBe(redirectUri)
  expect(location.searchParams.get('state')).toBe('st&te=1')
  expect(location.searchParams.get('iss')).toBe(provider.issuer)
  const answer = await exchange(provider, location.searchParams.get('code')!)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.body).toMatchObject({
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'openid email items:read offline_access',
  })
  expect(await (await me(provider, answer.body.access_token)).json()).toMatchObject({ id: 'bob', client: 'app' })
  expect(provider.requests.to('/token')).toHaveLength(1)
  expect(provider.requests.to('token')[0]).toMatchObject({ method: 'POST', status: 200 })
})

test('a person who says no sends access_denied back and no code', async () => {
  const provider = await start()
  const location = new URL(await provider.approve(authorizationUrl(provider), { user: 'alice', deny: true }))
  expect(location.searchParams.get('error')).toBe('access_denied')
  expect(location.searchParams.has('code')).toBe(false)
  expect(provider.stats.denials).toBe(1)
})

test('an unknown client or a redirect URI that is not exactly registered gets a page and no redirect (RFC 6749 section 4.1.2.1)', async () => {
  const provider = await start()
  for (const changed of [
    { client_id: 'other' },
    { redirect_uri: `${redirectUri}/` },
    { redirect_uri: `${redirectUri}?a=b` },
    { redirect_uri: redirectUri.replace('127.0.0.1', 'localhost') },
    { redirect_uri: undefined },
  ]) {
    const response = await fetch(authorizationUrl(provider, changed), { redirect: 'manual' })
    expect(response.status).toBe(400)
    expect(response.headers.has('location')).toBe(false)
  }
})

test('PKCE is demanded, S256 only, and the verifier has to match (RFC 7636)', async () => {
  const provider = await start()
  for (const changed of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge_method: 'plain' },
    { code_challenge_method: undefined },
    { code_challenge: 'short' },
  ]) {
    const location = new URL(await provider.approve(authorizationUrl(provider, changed), { user: 'alice' }))
    expect(location.searchParams.get('error')).toBe('invalid_request')
  }
  for (const wrong of ['x'.repeat(43), 'x'.repeat(42), 'x'.repeat(129), '']) {
    const answer = await exchange(provider, await codeFor(provider), { code_verifier: wrong })
    expect(answer.body.error).toBe('invalid_grant')
  }
})

test('a verifier for a code without challenge is refused as a downgrade (RFC 9700 section 4.8.2)', async () => {
  const provider = await start({ pkce: 'optional' })
  const code = await codeFor(provider, 'alice', { code_challenge: undefined, code_challenge_method: undefined })
  expect((await exchange(provider, code)).body.error).toBe('invalid_grant')
})

test('a provider that forbids PKCE refuses its parameters, one that ignores it does not look', async () => {
  const forbidding = await start({ pkce: 'forbidden' })
  const location = new URL(await forbidding.approve(authorizationUrl(forbidding), { user: 'alice' }))
  expect(location.searchParams.get('error')).toBe('invalid_request')
  const ignoring = await start({ pkce: 'ignored' })
  const answer = await exchange(ignoring, await codeFor(ignoring), { code_verifier: 'anything' })
  expect(answer.status).toBe(200)
})

test('a code is good once, and its second use kills what the first one issued (RFC 6749 section 4.1.2)', async () => {
  const provider = await start()
  const code = await codeFor(provider)
  const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(provider, code)))
  const good = answers.filter(answer => answer.status === 200)
  expect(good).toHaveLength(1)
  expect((await me(provider, good[0]!.body.access_token)).status).toBe(401)
  expect(provider.stats).toMatchObject({ codesRedeemed: 1, codesReplayed: 19, familiesKilled: 1 })
})

test('a code dies after 60 seconds, and at another redirect URI or client (RFC 6749 section 4.1.3)', async () => {
  const provider = await start()
  provider.addClient({ id: 'other', secret: 'x', redirectUris: [redirectUri], authMethod: 'client_secret_post' })
  const late = await codeFor(provider)
  provider.clock.advance(61)
  expect((await exchange(provider, late)).body.error).toBe('invalid_grant')
  const elsewhere = await exchange(provider, await codeFor(provider), { redirect_uri: `${redirectUri}2` })
  expect(elsewhere.body.error).toBe('invalid_grant')
  const response = await fetch(provider.endpoints.token, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: await codeFor(provider),
      redirect_uri: redirectUri,
      code_verifier: verifier,
      client_id: 'other',
      client_secret: 'x',
    }),
  })
  expect(await response.json()).toMatchObject({ error: 'invalid_grant' })
})

test('a consent page is answered once', async () => {
  const provider = await start()
  const html = await (await fetch(authorizationUrl(provider))).text()
  const transaction = /name="transaction" value="([^"]*)"/.exec(html)![1]!
  const answer = () =>
    fetch(provider.endpoints.authorize, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ transaction, user: 'alice', decision: 'allow' }),
    })
  expect((await answer()).status).toBe(303)
  expect((await answer()).status).toBe(400)
})

test('the person may grant fewer scopes than were asked for, and unknown ones are invalid_scope', async () => {
  const provider = await start()
  const url = authorizationUrl(provider)
  const location = new URL(await provider.approve(url, { user: 'alice', scopes: ['items:read'] }))
  const answer = await exchange(provider, location.searchParams.get('code')!)
  expect(answer.body.scope).toBe('items:read')
  const unknown = new URL(await provider.approve(authorizationUrl(provider, { scope: 'admin' }), { user: 'alice' }))
  expect(unknown.searchParams.get('error')).toBe('invalid_scope')
})
