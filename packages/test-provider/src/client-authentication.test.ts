import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { closeAll, startApp } from './app-at-provider.ts'
import type { ClientOptions } from './options.ts'

afterEach(closeAll)

const basicOf = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
const machine = { grant_type: 'client_credentials' }

test('only the registered method is taken, and a failure does not tell why', async () => {
  const app = await startApp()
  app.provider.addClient({ id: 'poster', secret: 'x', authMethod: 'client_secret_post' })
  const attempts = [
    [{}, { authorization: basicOf('poster', 'x') }],
    [{}, { authorization: basicOf('app', 'wrong') }],
    [{}, { authorization: basicOf('unknown', 'x') }],
    [{ client_id: 'app', client_secret: 'app:s3cret/+%' }, { authorization: undefined }],
    [{ client_id: 'app' }, { authorization: undefined }],
    [{}, { authorization: undefined }],
  ] as const
  for (const [members, headers] of attempts) {
    const answer = await app.token({ ...machine, ...members }, headers)
    expect([answer.status, answer.body]).toEqual([
      401,
      { error: 'invalid_client', error_description: 'client authentication failed' },
    ])
    expect(answer.headers.has('www-authenticate')).toBe(headers.authorization !== undefined)
  }
  const posted = await app.token({ ...machine, client_id: 'poster', client_secret: 'x' }, { authorization: undefined })
  expect(posted.status).toBe(200)
})

test('two methods in one request are invalid_request (RFC 6749 section 2.3)', async () => {
  const app = await startApp()
  const both = await app.token({ ...machine, client_id: 'app', client_secret: 'app:s3cret/+%' })
  expect([both.status, both.body.error]).toEqual([400, 'invalid_request'])
  const differing = await app.token({ ...machine, client_id: 'other' })
  expect([differing.status, differing.body.error]).toEqual([400, 'invalid_request'])
})

test('client credentials give no refresh token, no user, and no scopes of a person (RFC 6749 section 4.4)', async () => {
  const app = await startApp()
  const { body } = await app.token(machine)
  expect(body).not.toHaveProperty('refresh_token')
  expect(body.scope).toBe('items:read items:write')
  expect(await (await app.call('/api/me', body.access_token)).json()).toMatchObject({ id: 'client:app' })
  app.provider.addClient({ id: 'public', authMethod: 'none' })
  const refused = await app.token({ ...machine, client_id: 'public' }, { authorization: undefined })
  expect(refused.body.error).toBe('unauthorized_client')
})

test('a signed assertion is good once, for this provider alone, for five minutes at most (RFC 7523)', async () => {
  const app = await startApp()
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  app.provider.addClient({ id: 'signer', jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] } })
  const sign = (changed: JWTPayload = {}, key = privateKey) => {
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: 'signer', sub: 'signer', aud: app.provider.issuer, jti: crypto.randomUUID(), exp: now + 60 }
    return new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'ES256' }).sign(key)
  }
  const send = async (assertion: string) => {
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const members = { ...machine, client_assertion: assertion, client_assertion_type: type }
    return (await app.token(members, { authorization: undefined })).status
  }
  const once = await sign()
  expect(await send(once)).toBe(200)
  expect(await send(once)).toBe(401)
  expect(await send(await sign({ aud: app.provider.endpoints.token }))).toBe(200)
  const now = Math.floor(Date.now() / 1000)
  for (const changed of [
    { aud: 'https://elsewhere.example' },
    { aud: [app.provider.issuer, 'https://elsewhere.example'] },
    { iss: 'app' },
    { exp: now - 60 },
    { exp: now + 3600 },
    { jti: undefined },
  ] as JWTPayload[]) {
    expect(await send(await sign(changed))).toBe(401)
  }
  expect(await send(await sign({}, (await generateKeyPair('ES256')).privateKey))).toBe(401)
  app.provider.clock.advance(86_400)
  expect(await send(await sign())).toBe(200)
})

test('the token endpoint takes POSTed forms without repeated or query parameters (RFC 6749 section 3.2)', async () => {
  const app = await startApp()
  const { token } = app.provider.endpoints
  const authorization = basicOf('app', 'app:s3cret/+%')
  expect((await fetch(`${token}?grant_type=client_credentials`, { headers: { authorization } })).status).toBe(405)
  const form = 'application/x-www-form-urlencoded'
  for (const [address, type, body] of [
    [`${token}?scope=email`, form, 'grant_type=client_credentials'],
    [token, form, 'grant_type=client_credentials&scope=email&scope=items:read'],
    [token, 'application/json', '{"grant_type":"client_credentials"}'],
    [token, form, `grant_type=client_credentials&x=${'x'.repeat(70_000)}`],
  ] as const) {
    const response = await fetch(address, { method: 'POST', headers: { authorization, 'content-type': type }, body })
    expect([response.status, (await response.json()).error]).toEqual([400, 'invalid_request'])
  }
  expect((await app.token({ grant_type: 'password', username: 'a' })).body.error).toBe('unsupported_grant_type')
})

test('a client that could not work, or could be taken for a user, is refused at once', async () => {
  const { provider } = await startApp()
  for (const [client, message] of [
    [{ id: 'a' }, /needs a secret/],
    [{ id: 'a', authMethod: 'private_key_jwt' }, /needs jwks/],
    [{ id: 'a', secret: 'x', authMethod: 'none' }, /no secret/],
    [{ id: 'a', secret: 'x', redirectUris: ['/relative'] }, /absolute/],
    [{ id: 'alice', secret: 'x' }, /already the id of a user/],
  ] as [ClientOptions, RegExp][]) {
    expect(() => provider.addClient(client)).toThrow(message)
  }
})
