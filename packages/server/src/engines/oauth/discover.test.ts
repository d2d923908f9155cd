import { expect, it } from 'vitest'
import { discover } from './discover.ts'
import type { Send } from './oauth.ts'

const issuer = 'https://login.example/realms/one'
const good = {
  issuer,
  authorization_endpoint: `${issuer}/auth`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: 'https://keys.example/jwks',
  code_challenge_methods_supported: ['plain', 'S256'],
  authorization_response_iss_parameter_supported: true,
}

function answering(document: unknown, status = 200): { readonly send: Send; readonly asked: string[] } {
  const asked: string[] = []
  const send: Send = async request => {
    asked.push(request.url)
    const body = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
    return { status, headers: { 'content-type': 'application/json' }, body }
  }
  return { send, asked }
}

it('reads the endpoints of the document at the standard path', async () => {
  const { send, asked } = answering(good)
  expect(await discover(send, issuer)).toEqual({
    issuer,
    authorizationEndpoint: `${issuer}/auth`,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: 'https://keys.example/jwks',
    issParameter: true,
    supportsS256: true,
  })
  expect(asked).toEqual(['https://login.example/realms/one/.well-known/openid-configuration'])
})

it('a document of another issuer is refused, also one that differs by a slash or by case (row 41)', async () => {
  for (const other of ['https://evil.example', `${issuer}/`, issuer.replace('login', 'LOGIN'), 7, undefined]) {
    const { send } = answering({ ...good, issuer: other })
    await expect(discover(send, issuer)).rejects.toMatchObject({ code: 'provider_answer_refused' })
  }
})

it('an endpoint that is no absolute https URL is refused, whichever it is (row 41)', async () => {
  const bad = [
    'http://login.example/x',
    '/token',
    'javascript:alert(1)',
    'https://u:p@login.example/',
    'https://a/#b',
    5,
    ['x'],
    '',
  ]
  for (const name of [
    'authorization_endpoint',
    'token_endpoint',
    'jwks_uri',
    'revocation_endpoint',
    'userinfo_endpoint',
  ]) {
    for (const value of bad) {
      const { send } = answering({ ...good, [name]: value })
      await expect(discover(send, issuer), `${name} ${value}`).rejects.toMatchObject({
        code: 'provider_answer_refused',
      })
    }
  }
})

it('an issuer on plain http may name plain http: whether it may be reached is decided by whoever sends', async () => {
  const local = 'http://127.0.0.1:5000'
  const document = { issuer: local, authorization_endpoint: `${local}/a`, token_endpoint: `${local}/t` }
  expect((await discover(answering(document).send, local)).tokenEndpoint).toBe(`${local}/t`)
})

it('PKCE: silence is no refusal, a list without S256 is (row 19)', async () => {
  const withMethods = async (methods: unknown) =>
    (await discover(answering({ ...good, code_challenge_methods_supported: methods }).send, issuer)).supportsS256
  expect(await withMethods(undefined)).toBe(true)
  expect(await withMethods(['S256'])).toBe(true)
  expect(await withMethods(['plain'])).toBe(false)
  expect(await withMethods('S256')).toBe(false)
})

it('what is not a document, or not now, is told apart', async () => {
  const refused = { code: 'provider_answer_refused' }
  await expect(discover(answering('<html>').send, issuer)).rejects.toMatchObject(refused)
  await expect(discover(answering(good, 302).send, issuer)).rejects.toMatchObject(refused)
  await expect(discover(answering('x'.repeat(140_000)).send, issuer)).rejects.toMatchObject(refused)
  await expect(discover(answering({ issuer }).send, issuer)).rejects.toMatchObject(refused)
  await expect(discover(answering(good, 503).send, issuer)).rejects.toMatchObject({ code: 'provider_unavailable' })
  await expect(discover(() => Promise.reject(new Error('x')), issuer)).rejects.toMatchObject({
    code: 'provider_unavailable',
  })
  for (const text of ['login.example', 'https://a/#b', 'https://a/?b', 'file:///etc/passwd']) {
    await expect(discover(answering(good).send, text)).rejects.toMatchObject({ code: 'validation_failed' })
  }
})
