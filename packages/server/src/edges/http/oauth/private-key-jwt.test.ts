import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openWorld, type World } from './test-world.ts'

let world: World
let client: { id: string; secret: string }
let key: CryptoKey

beforeAll(async () => {
  world = await openWorld()
  const pair = await generateKeyPair('ES256', { extractable: true })
  key = pair.privateKey
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one' }
  client = await world.client({ authenticationMethod: 'private_key_jwt', jwks: { keys: [jwk] } })
})
afterAll(() => world.close())

let count = 0
const seconds = () => Math.floor(world.parts.now() / 1000)
const claims = (): JWTPayload => ({
  iss: client.id,
  sub: client.id,
  aud: world.url,
  jti: `assertion-${count++}`,
  exp: seconds() + 60,
  iat: seconds(),
})

function sign(payload: JWTPayload, header: Record<string, unknown> = {}, by = key): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(by)
}

function post(assertion: string, more: Record<string, string> = {}) {
  return world.post({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    ...more,
  })
}

describe('private_key_jwt (RFC 7523, row 103)', () => {
  test('gives a client without a secret a token', async () => {
    expect(client.secret).toBe('')
    const { status, body } = await post(await sign(claims()))
    expect([status, body.token_type]).toEqual([200, 'Bearer'])
    expect((await post(await sign(claims(), { typ: 'client-authentication+jwt' }))).status).toBe(200)
    expect((await post(await sign({ ...claims(), aud: [world.url] }))).status).toBe(200)
  })

  test('takes an assertion once, also when it comes many times at once', async () => {
    const assertion = await sign(claims())
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(assertion)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(7)
    world.skip(60_000)
    expect((await post(assertion)).status).toBe(401)
  })

  test('refuses an assertion that is for anyone else too, lives long, or is of another kind (rows 5, 88)', async () => {
    const other = await generateKeyPair('ES256')
    const bad: [string, Promise<string>][] = [
      ['two audiences', sign({ ...claims(), aud: [world.url, 'https://evil.example'] })],
      ['the token endpoint as audience', sign({ ...claims(), aud: `${world.url}/oauth/token` })],
      ['another audience', sign({ ...claims(), aud: 'https://evil.example' })],
      ['a long life', sign({ ...claims(), exp: seconds() + 330 })],
      ['no end', sign({ ...claims(), exp: undefined as never })],
      ['past its end', sign({ ...claims(), exp: seconds() - 1 })],
      ['from the future', sign({ ...claims(), iat: seconds() + 120 })],
      ['no jti', sign({ ...claims(), jti: undefined as never })],
      ['another issuer', sign({ ...claims(), iss: `agt_${'0'.repeat(26)}` })],
      ['an access token', sign(claims(), { typ: 'at+jwt' })],
      ['another key', sign(claims(), {}, other.privateKey)],
      ['another kid', sign(claims(), { kid: 'two' })],
      [
        'an algorithm of shared secrets',
        new SignJWT(claims())
          .setProtectedHeader({ alg: 'HS256', kid: 'one' })
          .sign(new TextEncoder().encode('x'.repeat(32))),
      ],
    ]
    for (const [name, assertion] of bad) {
      const { status, body } = await post(await assertion)
      expect([name, status, body.error]).toEqual([name, 401, 'invalid_client'])
      // One client has a few of these tries a minute, and this is a table.
      if (name === 'no jti') world.skip(60_000)
    }
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims())).toString('base64url')}.`
    expect((await post(unsigned)).status).toBe(401)
  })

  test('is the only way for a client registered so, and no way for the others (row 31)', async () => {
    const secret = await world.client({})
    const asSecret = await sign({ ...claims(), iss: secret.id, sub: secret.id })
    expect((await post(asSecret)).body.error).toBe('invalid_client')
    const { status, body } = await world.post(
      { grant_type: 'client_credentials' },
      {
        authorization: `Basic ${Buffer.from(`${client.id}:x`).toString('base64')}`,
      },
    )
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    const both = await post(await sign(claims()), { client_secret: 'x' })
    expect([both.status, both.body.error]).toEqual([400, 'invalid_request'])
    const unproved = await world.post({ grant_type: 'client_credentials', client_id: client.id })
    expect([unproved.status, unproved.body.error]).toEqual([401, 'invalid_client'])
  })
})
