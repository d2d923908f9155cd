import { afterEach, expect, test } from 'vitest'
import { closeAll, startApp } from './app-at-provider.ts'

afterEach(closeAll)

test('consent, exchange and an API call give the data of the person who consented', async () => {
  const app = await startApp()
  const back = new URL(await app.provider.approve(app.authorizationUrl(), { user: 'bob' }))
  expect(back.origin + back.pathname).toBe(app.redirectUri)
  expect(back.searchParams.get('state')).toBe('st&te=1')
  expect(back.searchParams.get('iss')).toBe(app.provider.issuer)
  const answer = await app.exchange(back.searchParams.get('code')!)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.body).toMatchObject({
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'openid email items:read offline_access',
  })
  const me = await app.call('/api/me', answer.body.access_token)
  expect(await me.json()).toMatchObject({ id: 'bob', client: 'app' })
  expect(app.provider.requests.to('/token')).toHaveLength(1)
  expect(app.provider.requests.to('token')[0]).toMatchObject({ method: 'POST', status: 200 })
})

test('a person who says no sends access_denied back and no code', async () => {
  const app = await startApp()
  const back = new URL(await app.provider.approve(app.authorizationUrl(), { user: 'alice', deny: true }))
  expect(back.searchParams.get('error')).toBe('access_denied')
  expect(back.searchParams.has('code')).toBe(false)
  expect(app.provider.stats.denials).toBe(1)
})

test('an unknown client or an unregistered redirect URI gets a page and no redirect (RFC 6749 section 4.1.2.1)', async () => {
  const app = await startApp()
  for (const changed of [
    { client_id: 'other' },
    { redirect_uri: `${app.redirectUri}/` },
    { redirect_uri: `${app.redirectUri}?a=b` },
    { redirect_uri: app.redirectUri.replace('127.0.0.1', 'localhost') },
    { redirect_uri: app.redirectUri.replace(':9', ':10') },
    { redirect_uri: undefined },
  ]) {
    const response = await fetch(app.authorizationUrl(changed), { redirect: 'manual' })
    expect(response.status).toBe(400)
    expect(response.headers.has('location')).toBe(false)
    await expect(app.provider.approve(app.authorizationUrl(changed), { user: 'alice' })).rejects.toThrow(/shows 400/)
  }
  const repeated = await fetch(`${app.authorizationUrl()}&state=second`, { redirect: 'manual' })
  expect(repeated.status).toBe(400)
})

test('PKCE is demanded, S256 only, and the verifier has to match (RFC 7636)', async () => {
  const app = await startApp()
  for (const changed of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge_method: 'plain' },
    { code_challenge_method: undefined },
    { code_challenge: 'short' },
  ]) {
    expect((await app.consent('alice', changed)).get('error')).toBe('invalid_request')
  }
  for (const wrong of ['x'.repeat(43), 'x'.repeat(42), 'x'.repeat(129), undefined]) {
    const code = (await app.consent()).get('code')!
    expect((await app.exchange(code, { code_verifier: wrong })).body.error).toBe('invalid_grant')
  }
})

test('a verifier for a code without challenge is refused as a downgrade (RFC 9700 section 4.8.2)', async () => {
  const app = await startApp({ pkce: 'optional' })
  const answer = await app.connect('alice', { code_challenge: undefined, code_challenge_method: undefined })
  expect(answer.body.error).toBe('invalid_grant')
})

test('a provider that forbids PKCE refuses its parameters, one that ignores it does not look', async () => {
  const forbidding = await startApp({ pkce: 'forbidden' })
  expect((await forbidding.consent()).get('error')).toBe('invalid_request')
  const without = { code_challenge: undefined, code_challenge_method: undefined }
  const code = (await forbidding.consent('alice', without)).get('code')!
  expect((await forbidding.exchange(code, { code_verifier: undefined })).status).toBe(200)
  const ignoring = await startApp({ pkce: 'ignored' })
  const other = (await ignoring.consent()).get('code')!
  expect((await ignoring.exchange(other, { code_verifier: 'anything' })).status).toBe(200)
})

test('a code is good once, and its second use kills what the first one issued (RFC 6749 section 4.1.2)', async () => {
  const app = await startApp()
  const code = (await app.consent()).get('code')!
  const answers = await Promise.all(Array.from({ length: 20 }, () => app.exchange(code)))
  const good = answers.filter(answer => answer.status === 200)
  expect(good).toHaveLength(1)
  expect((await app.call('/api/me', good[0]!.body.access_token)).status).toBe(401)
  expect(app.provider.stats).toMatchObject({ codesRedeemed: 1, codesReplayed: 19, familiesKilled: 1 })
})

test('a code dies after 60 seconds, and at another redirect URI or client (RFC 6749 section 4.1.3)', async () => {
  const app = await startApp()
  const late = (await app.consent()).get('code')!
  app.provider.clock.advance(61)
  expect((await app.exchange(late)).body.error).toBe('invalid_grant')
  const code = (await app.consent()).get('code')!
  expect((await app.exchange(code, { redirect_uri: `${app.redirectUri}2` })).body.error).toBe('invalid_grant')
  app.provider.addClient({ id: 'other', secret: 'x', authMethod: 'client_secret_post' })
  const foreign = await app.token(
    {
      grant_type: 'authorization_code',
      code: (await app.consent()).get('code')!,
      redirect_uri: app.redirectUri,
      code_verifier: app.verifier,
      client_id: 'other',
      client_secret: 'x',
    },
    { authorization: undefined },
  )
  expect(foreign.body.error).toBe('invalid_grant')
})

test('a consent page is answered once, by a redirect that does not repeat the form', async () => {
  const app = await startApp()
  const shown = await fetch(app.authorizationUrl())
  expect(shown.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  const transaction = /name="transaction" value="([^"]*)"/.exec(await shown.text())![1]!
  const answer = (user: string) =>
    fetch(app.provider.endpoints.authorize, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ transaction, user, decision: 'allow' }),
    })
  expect((await answer('nobody')).status).toBe(400)
  expect((await answer('alice')).status).toBe(303)
  expect((await answer('alice')).status).toBe(400)
})

test('what a client sends is shown as text, not as markup', async () => {
  const app = await startApp({
    clients: [{ id: '<b>app</b>', secret: 'x', redirectUris: ['http://127.0.0.1:9/callback'] }],
    scopes: 'any',
  })
  const url = app.authorizationUrl({ client_id: '<b>app</b>', scope: '"><script>' })
  const html = await (await fetch(url)).text()
  expect(html).not.toMatch(/<b>|<script>/)
  const back = new URL(await app.provider.approve(url, { user: 'alice' }))
  expect(back.searchParams.has('code')).toBe(true)
})

test('the person may grant fewer scopes than were asked for; unknown ones, and other response types, are refused', async () => {
  const app = await startApp()
  const back = new URL(await app.provider.approve(app.authorizationUrl(), { user: 'alice', scopes: ['items:read'] }))
  expect((await app.exchange(back.searchParams.get('code')!)).body.scope).toBe('items:read')
  expect((await app.consent('alice', { scope: 'admin' })).get('error')).toBe('invalid_scope')
  for (const response_type of ['token', 'code id_token', undefined]) {
    expect((await app.consent('alice', { response_type })).get('error')).toBe('unsupported_response_type')
  }
})

test('autoApprove answers the authorization request without a page', async () => {
  const app = await startApp({ autoApprove: 'bob' })
  const response = await fetch(app.authorizationUrl(), { redirect: 'manual' })
  expect(response.status).toBe(303)
  const code = new URL(response.headers.get('location')!).searchParams.get('code')!
  const { body } = await app.exchange(code)
  expect(await (await app.call('/api/me', body.access_token)).json()).toMatchObject({ id: 'bob' })
})
