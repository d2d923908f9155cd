import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { type AppAtProvider, closeAll, startApp } from './app-at-provider.ts'
import { type QuirkName, quirkNames, quirks } from './quirks.ts'

afterEach(closeAll)

const tokensOf = async (app: AppAtProvider) => (await app.connect()).body
const issOf = async (app: AppAtProvider) => (await app.consent()).get('iss')
const idTokenOf = async (app: AppAtProvider) => (await app.connect('alice', { nonce: 'n-1' })).body.id_token as string
const discovery = async (app: AppAtProvider) =>
  (await fetch(`${app.provider.issuer}/.well-known/openid-configuration`)).json()
const verifies = async (app: AppAtProvider, token: string) => {
  const keys = (await (await fetch(`${app.provider.url}/jwks`)).json()) as JSONWebKeySet
  return jwtVerify(token, createLocalJWKSet(keys), { clockTolerance: '1 day' }).then(
    () => true,
    () => false,
  )
}

/** What each quirk does, seen by a client. The type makes sure that none is left out. */
const shown: Readonly<Record<QuirkName, (app: AppAtProvider) => Promise<void>>> = {
  async 'json-token-request'(app) {
    expect((await app.connect()).status).toBe(200)
    const form = await app.token(
      { grant_type: 'client_credentials' },
      { 'content-type': 'application/x-www-form-urlencoded' },
    )
    expect([form.status, form.body.error]).toEqual([400, 'invalid_request'])
  },
  async 'http-200-on-error'(app) {
    const answer = await app.refresh('unknown')
    expect([answer.status, answer.body]).toMatchObject([200, { ok: false, error: 'invalid_grant' }])
    expect(await tokensOf(app)).toMatchObject({ ok: true })
  },
  async 'api-200-on-error'(app) {
    const refused = await app.call('/api/me', 'unknown')
    expect([refused.status, await refused.json()]).toEqual([200, { ok: false, error: 'invalid_auth' }])
    const { access_token } = await tokensOf(app)
    expect(await (await app.call('/api/me', access_token)).json()).toMatchObject({ id: 'alice' })
  },
  async 'nested-token'(app) {
    const answer = await tokensOf(app)
    expect(answer).not.toHaveProperty('access_token')
    expect((await app.call('/api/me', answer.authed_user.access_token)).status).toBe(200)
  },
  async 'scope-response-comma'(app) {
    expect((await tokensOf(app)).scope).toBe('openid,email,items:read,offline_access')
  },
  async 'scope-missing'(app) {
    expect(await tokensOf(app)).not.toHaveProperty('scope')
  },
  async 'scopes-downgraded'(app) {
    const { scope, access_token } = (await app.connect('alice', { scope: 'email items:read' })).body
    expect(scope).toBe('email')
    expect((await app.call('/api/items', access_token)).status).toBe(403)
  },
  async 'no-expiry'(app) {
    const answer = await tokensOf(app)
    expect(answer).not.toHaveProperty('expires_in')
    app.provider.clock.advance(3600)
    expect((await app.call('/api/me', answer.access_token)).status).toBe(401)
  },
  async 'expires-in-string'(app) {
    expect((await tokensOf(app)).expires_in).toBe('3600')
  },
  async 'form-encoded-answer'(app) {
    const answer = await app.connect()
    expect(answer.headers.get('content-type')).toBe('application/x-www-form-urlencoded')
    const token = new URLSearchParams(answer.text).get('access_token')!
    expect((await app.call('/api/me', token)).status).toBe(200)
    expect(new URLSearchParams((await app.refresh('unknown')).text).get('error')).toBe('invalid_grant')
  },
  async 'status-201'(app) {
    expect((await app.connect()).status).toBe(201)
    expect((await app.refresh('unknown')).status).toBe(400)
  },
  async 'null-fields'(app) {
    const { body } = await app.token({ grant_type: 'client_credentials' })
    expect(body).toMatchObject({ refresh_token: null, id_token: null, error: null })
  },
  async 'token-type-nonstandard'(app) {
    const { token_type, access_token } = await tokensOf(app)
    expect(token_type).toBe('bot')
    expect((await app.call('/api/me', access_token)).status).toBe(200)
  },
  async 'extra-huge-answer'(app) {
    expect((await app.connect()).text.length).toBeGreaterThan(8 * 1024 * 1024)
  },
  async 'deep-json'(app) {
    const { text } = await app.connect()
    expect(text).toContain('['.repeat(20_000))
    expect(text.startsWith('{"access_token"') && text.endsWith('}')).toBe(true)
  },
  async 'no-refresh-token'(app) {
    expect(await tokensOf(app)).not.toHaveProperty('refresh_token')
  },
  async 'refresh-omits-refresh-token'(app) {
    const { refresh_token } = await tokensOf(app)
    for (let round = 0; round < 2; round += 1) {
      const answer = await app.refresh(refresh_token)
      expect(answer.status).toBe(200)
      expect(answer.body).not.toHaveProperty('refresh_token')
    }
  },
  async 'no-iss'(app) {
    expect(await issOf(app)).toBeNull()
    expect(await discovery(app)).toMatchObject({ authorization_response_iss_parameter_supported: true })
  },
  async 'wrong-iss'(app) {
    expect(await issOf(app)).toBe('https://another-issuer.example')
  },
  async 'iss-trailing-slash'(app) {
    expect(await issOf(app)).toBe(`${app.provider.issuer}/`)
  },
  async 'iss-upper-case'(app) {
    expect(await issOf(app)).toBe(app.provider.issuer.toUpperCase())
  },
  async 'iss-not-announced'(app) {
    expect(await discovery(app)).toMatchObject({ authorization_response_iss_parameter_supported: false })
    expect(await issOf(app)).toBe(app.provider.issuer)
  },
  async 'metadata-wrong-issuer'(app) {
    expect(await discovery(app)).toMatchObject({ issuer: 'https://another-issuer.example' })
  },
  async 'state-altered'(app) {
    expect((await app.consent()).get('state')).toBe('st&te=1x')
  },
  async 'state-missing'(app) {
    expect((await app.consent()).has('state')).toBe(false)
  },
  async 'code-repeated'(app) {
    expect((await app.consent()).getAll('code')).toHaveLength(2)
  },
  async 'id-token-wrong-nonce'(app) {
    expect(decodeJwt(await idTokenOf(app)).nonce).toBe('another-nonce')
  },
  async 'id-token-wrong-audience'(app) {
    expect(decodeJwt(await idTokenOf(app)).aud).toBe('another-client')
  },
  async 'id-token-wrong-issuer'(app) {
    expect(decodeJwt(await idTokenOf(app)).iss).toBe('https://another-issuer.example')
  },
  async 'id-token-expired'(app) {
    const token = await idTokenOf(app)
    expect(decodeJwt(token).exp).toBeLessThan(Date.now() / 1000 - 3000)
    expect(await verifies(app, token)).toBe(true)
  },
  async 'id-token-wrong-key'(app) {
    const token = await idTokenOf(app)
    expect(decodeProtectedHeader(token).kid).toBe('key-1')
    expect(await verifies(app, token)).toBe(false)
  },
  async 'id-token-unsigned'(app) {
    const token = await idTokenOf(app)
    expect(decodeProtectedHeader(token).alg).toBe('none')
    expect(token.endsWith('.')).toBe(true)
  },
}

describe('each quirk', () => {
  test.each(quirkNames.map(name => [name, quirks[name]] as const))('%s: %s', async name => {
    await shown[name](await startApp({ quirks: [name] }))
  })
})

test('quirks are switched while the provider runs, and unknown names are refused', async () => {
  const app = await startApp()
  app.provider.setQuirks('no-expiry', 'status-201')
  const answer = await app.connect()
  expect([answer.status, 'expires_in' in answer.body]).toEqual([201, false])
  app.provider.setQuirks()
  expect((await app.connect()).status).toBe(200)
  expect(() => app.provider.setQuirks('no-such-quirk' as QuirkName)).toThrow(/no quirk is called/)
  await expect(startApp({ quirks: ['no-such-quirk' as QuirkName] })).rejects.toThrow(/no quirk is called/)
})
