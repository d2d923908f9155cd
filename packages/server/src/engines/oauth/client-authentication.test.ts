import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import type { OAuthFacts } from '../../core/catalogue/provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Secret } from '../../core/secret.ts'
import { sampleEntry, sampleProvider } from '../../core/token/sample-entry.fixture.ts'
import { clientAuthentication } from './client-authentication.ts'
import type { OurClient } from './oauth.ts'

const base = 'https://sample.example'
const now = 1_800_000_000_000
let drawn = 0
const world = { now, random: (bytes: number) => new Uint8Array(bytes).fill(++drawn) }

async function prove(
  method: OAuthFacts['clientAuthentication'],
  client: OurClient,
  more: Partial<ResolvedProvider> = {},
): Promise<{ body: Record<string, string>; authorization: string | null } | undefined> {
  const provider = sampleProvider(base, sampleEntry({ clientAuthentication: method }), more)
  const authenticate = clientAuthentication(provider, client, world)
  if (authenticate === undefined) return undefined
  const body = new URLSearchParams()
  const headers = new Headers()
  await authenticate({ issuer: base }, { client_id: client.clientId }, body, headers)
  return { body: Object.fromEntries(body), authorization: headers.get('authorization') }
}

describe('client_secret_basic (RFC 6749 section 2.3.1)', () => {
  it('a server that form-decodes both halves finds the id and secret again, however odd they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ unit: 'grapheme' }),
        async (id, secret) => {
          const proved = await prove('client_secret_basic', { clientId: id, clientSecret: new Secret(secret) })
          const [left, right, ...rest] = Buffer.from(proved!.authorization!.slice(6), 'base64')
            .toString('utf8')
            .split(':')
          const decode = (text: string) => new URLSearchParams(`v=${text}`).get('v')
          expect([decode(left!), decode(right!), rest]).toEqual([id, secret, []])
          expect(proved!.body).toEqual({})
        },
      ),
    )
  })

  it('usual ids stay readable to a server that never decodes', async () => {
    const proved = await prove('client_secret_basic', {
      clientId: '1b2c-4d_5e.6',
      clientSecret: new Secret('secret_AB-9*'),
    })
    expect(Buffer.from(proved!.authorization!.slice(6), 'base64').toString()).toBe('1b2c-4d_5e.6:secret_AB-9*')
  })

  it('reserved characters are encoded', async () => {
    const proved = await prove('client_secret_basic', { clientId: 'a:b', clientSecret: new Secret('c d%+&ü') })
    expect(Buffer.from(proved!.authorization!.slice(6), 'base64').toString()).toBe('a%3Ab:c+d%25%2B%26%C3%BC')
  })
})

it('client_secret_post puts both in the body and nothing in a header', async () => {
  expect(await prove('client_secret_post', { clientId: 'c', clientSecret: new Secret('s') })).toEqual({
    body: { client_id: 'c', client_secret: 's' },
    authorization: null,
  })
})

it('a public client sends its id alone, and a secret never goes where the entry wants none', async () => {
  expect(await prove('none', { clientId: 'c', clientSecret: new Secret('s') })).toEqual({
    body: { client_id: 'c' },
    authorization: null,
  })
  expect(await prove('client_secret_basic', { clientId: 'c' })).toEqual({
    body: { client_id: 'c' },
    authorization: null,
  })
})

describe('private_key_jwt (RFC 7523)', () => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    EdDSA: generateKeyPairSync('ed25519'),
  }
  const pem = (alg: keyof typeof pairs) => pairs[alg].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  it('the issuer is the only audience, whatever endpoint the provider names (row 5)', async () => {
    const client = { clientId: 'c', privateKey: new Secret(pem('ES256')) }
    const honest = { issuer: 'https://honest.example', tokenEndpoint: 'https://evil.example/token' }
    const proved = await prove('private_key_jwt', client, honest)
    const { payload } = await jwtVerify(proved!.body.client_assertion!, pairs.ES256.publicKey, {
      currentDate: new Date(now),
    })
    expect(payload.aud).toBe('https://honest.example')
    const { client_assertion } = (await prove('private_key_jwt', client))!.body
    const unknown = await jwtVerify(client_assertion!, pairs.ES256.publicKey, { currentDate: new Date(now) })
    expect(unknown.payload.aud).toBe(`${base}/token`)
  })

  it.each(Object.keys(pairs) as (keyof typeof pairs)[])(
    'signs with %s, for a minute at most, with a new jti each time',
    async alg => {
      const client = { clientId: 'c', privateKey: new Secret(pem(alg)) }
      const two = [await prove('private_key_jwt', client), await prove('private_key_jwt', client)]
      const read = await Promise.all(
        two.map(proved =>
          jwtVerify(proved!.body.client_assertion!, pairs[alg].publicKey, { currentDate: new Date(now) }),
        ),
      )
      const [first, second] = read.map(result => result.payload)
      expect(read[0]!.protectedHeader.alg).toBe(alg)
      expect(first).toMatchObject({ iss: 'c', sub: 'c', iat: now / 1000 })
      expect(first!.exp! - first!.iat!).toBeLessThanOrEqual(60)
      expect(first!.jti).not.toBe(second!.jti)
      expect(first!.jti!.length).toBeGreaterThanOrEqual(22)
    },
  )

  it('a JWK brings its kid and algorithm, and a key is preferred to the secret of the entry (row 76)', async () => {
    const jwk = { ...pairs.RS256.privateKey.export({ format: 'jwk' }), kid: 'k-1', alg: 'PS256' }
    const proved = await prove('client_secret_basic', { clientId: 'c', privateKey: new Secret(JSON.stringify(jwk)) })
    expect(decodeProtectedHeader(proved!.body.client_assertion!)).toMatchObject({ alg: 'PS256', kid: 'k-1' })
    expect(proved!.authorization).toBe(null)
  })

  it('without a usable key nothing is sent', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
    const publicPem = pairs.ES256.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    for (const key of ['', 'nonsense', '{"kty":"oct","k":"AAAA"}', '{', weak.toString(), publicPem]) {
      expect(await prove('private_key_jwt', { clientId: 'c', privateKey: new Secret(key) }), key).toBeUndefined()
    }
    expect(await prove('private_key_jwt', { clientId: 'c', clientSecret: new Secret('s') })).toBeUndefined()
  })
})
