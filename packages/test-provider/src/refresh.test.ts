import { afterEach, expect, test } from 'vitest'
import { closeAll, startApp } from './app-at-provider.ts'

afterEach(closeAll)

test('a refresh rotates the refresh token, and the new pair works', async () => {
  const app = await startApp({ accessTokenSeconds: 60 })
  const first = (await app.connect()).body
  app.provider.clock.advance(60)
  const expired = await app.call('/api/me', first.access_token)
  expect(expired.status).toBe(401)
  expect(expired.headers.get('www-authenticate')).toContain('error="invalid_token"')
  const second = (await app.refresh(first.refresh_token)).body
  expect(second.refresh_token).not.toBe(first.refresh_token)
  expect((await app.call('/api/me', second.access_token)).status).toBe(200)
  expect(app.provider.stats.refreshes).toBe(1)
})

test('a reused refresh token kills the whole family (RFC 9700 section 4.14.2)', async () => {
  const app = await startApp()
  const first = (await app.connect()).body
  const other = (await app.connect('bob')).body
  const second = (await app.refresh(first.refresh_token)).body
  const third = (await app.refresh(second.refresh_token)).body
  expect((await app.refresh(first.refresh_token)).body.error).toBe('invalid_grant')
  expect((await app.refresh(third.refresh_token)).body.error).toBe('invalid_grant')
  for (const dead of [first, second, third]) {
    expect((await app.call('/api/me', dead.access_token)).status).toBe(401)
  }
  expect((await app.call('/api/me', other.access_token)).status).toBe(200)
  expect(app.provider.stats).toMatchObject({ refreshes: 2, reuseDetected: 1, familiesKilled: 1 })
})

test('of parallel refreshes with one token exactly one wins, and the others kill the family', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  const answers = await Promise.all(Array.from({ length: 10 }, () => app.refresh(refresh_token)))
  const winners = answers.filter(answer => answer.status === 200)
  expect(winners).toHaveLength(1)
  expect((await app.call('/api/me', winners[0]!.body.access_token)).status).toBe(401)
})

test('without reuse detection a used token is refused and the family lives', async () => {
  const app = await startApp({ reuseDetection: false })
  const first = (await app.connect()).body
  const second = (await app.refresh(first.refresh_token)).body
  expect((await app.refresh(first.refresh_token)).body.error).toBe('invalid_grant')
  expect((await app.call('/api/me', second.access_token)).status).toBe(200)
})

test('within the overlap a rotated token is still good, after it the family dies', async () => {
  const app = await startApp({ rotationOverlapSeconds: 30 })
  const first = (await app.connect()).body
  expect((await app.refresh(first.refresh_token)).status).toBe(200)
  app.provider.clock.advance(29)
  expect((await app.refresh(first.refresh_token)).status).toBe(200)
  app.provider.clock.advance(1)
  expect((await app.refresh(first.refresh_token)).status).toBe(400)
  expect(app.provider.stats.familiesKilled).toBe(1)
})

test('a static refresh token stays, and with rotation none there is no refresh token', async () => {
  const fixed = await startApp({ rotation: 'static' })
  const { refresh_token } = (await fixed.connect()).body
  for (let round = 0; round < 3; round += 1) {
    expect((await fixed.refresh(refresh_token)).body.refresh_token).toBe(refresh_token)
  }
  const none = await startApp({ rotation: 'none' })
  expect((await none.connect()).body).not.toHaveProperty('refresh_token')
})

test('refresh tokens expire, and where offline_access is required they come with it only', async () => {
  const app = await startApp({ refreshTokenSeconds: 100, offlineAccessRequired: true })
  const { refresh_token } = (await app.connect()).body
  app.provider.clock.advance(100)
  expect((await app.refresh(refresh_token)).body.error).toBe('invalid_grant')
  expect((await app.connect('alice', { scope: 'items:read' })).body).not.toHaveProperty('refresh_token')
})

test('a refresh may narrow the scopes and never widens them (RFC 6749 section 6)', async () => {
  const app = await startApp()
  const first = (await app.connect()).body
  const narrow = (await app.refresh(first.refresh_token, { scope: 'email' })).body
  expect(narrow.scope).toBe('email')
  expect((await app.call('/api/items', narrow.access_token)).status).toBe(403)
  const wide = await app.refresh(narrow.refresh_token, { scope: 'email items:write' })
  expect(wide.body.error).toBe('invalid_scope')
})

test('a refresh token of another client is refused and stays good for its own', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.addClient({ id: 'other', secret: 'x' })
  const basic = `Basic ${Buffer.from('other:x').toString('base64')}`
  const stolen = await app.token({ grant_type: 'refresh_token', refresh_token }, { authorization: basic })
  expect(stolen.body.error).toBe('invalid_grant')
  expect((await app.refresh(refresh_token)).status).toBe(200)
})

test('revoking a refresh token ends its family; a foreign token is answered alike and lives (RFC 7009)', async () => {
  const app = await startApp()
  const mine = (await app.connect()).body
  app.provider.addClient({ id: 'other', secret: 'x' })
  const foreign = app.provider.issueTokens('bob', 'other')
  const revoke = (token: string) =>
    fetch(app.provider.endpoints.revoke!, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('app:app%3As3cret%2F%2B%25').toString('base64')}` },
      body: new URLSearchParams({ token }),
    })
  for (const token of [foreign.refreshToken!, 'unknown', mine.refresh_token]) {
    expect((await revoke(token)).status).toBe(200)
  }
  expect((await app.call('/api/me', foreign.accessToken)).status).toBe(200)
  expect((await app.call('/api/me', mine.access_token)).status).toBe(401)
  expect((await app.refresh(mine.refresh_token)).status).toBe(400)
})

test('tokens are made, listed, expired and taken back by hand', async () => {
  const app = await startApp({ canary: 'CANARY-7-' })
  const { provider } = app
  const tokens = provider.issueTokens('alice', 'app', ['items:read'])
  expect(tokens.accessToken).toMatch(/^CANARY-7-/)
  expect((await app.call('/api/items', tokens.accessToken)).status).toBe(200)
  expect(provider.activeTokens().map(({ kind, user }) => [kind, user])).toEqual([
    ['access', 'alice'],
    ['refresh', 'alice'],
  ])
  expect(provider.expireAccessTokens('bob')).toBe(0)
  expect(provider.expireAccessTokens('alice')).toBe(1)
  expect((await app.call('/api/items', tokens.accessToken)).status).toBe(401)
  const renewed = (await app.refresh(tokens.refreshToken!)).body
  expect((await app.call('/api/items', renewed.access_token)).status).toBe(200)
  expect(provider.revokeAccess('alice')).toBe(1)
  expect((await app.call('/api/items', renewed.access_token)).status).toBe(401)
  expect(provider.activeTokens()).toEqual([])
  expect(provider.allIssuedSecrets()).toEqual(
    expect.arrayContaining([tokens.accessToken, tokens.refreshToken, renewed.refresh_token, 'app:s3cret/+%']),
  )
  provider.addClient({ id: 'app', secret: 'another', redirectUris: [app.redirectUri] })
  expect(provider.allIssuedSecrets()).toEqual(expect.arrayContaining(['app:s3cret/+%', 'another']))
  const bob = provider.issueTokens('bob', 'app')
  provider.killFamily(bob.refreshToken!)
  expect((await app.call('/api/me', bob.accessToken)).status).toBe(401)
})
