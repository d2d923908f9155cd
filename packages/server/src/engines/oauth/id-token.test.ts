import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { sampleEntry, sampleProvider } from '../../core/token/sample-entry.fixture.ts'
import { judgeIdToken } from './id-token.ts'
import type { Send } from './oauth.ts'

const now = 1_800_000_000_000
const seconds = now / 1000
const issuer = 'https://login.example'
const accessToken = 'at-1'
const ours = generateKeyPairSync('rsa', { modulusLength: 2048 })
const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const edwards = generateKeyPairSync('ed25519')
const atHash = (hash: string) => {
  const digest = createHash(hash).update(accessToken).digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}
const claims = { iss: issuer, sub: 'alice', aud: 'client-1', exp: seconds + 300, iat: seconds, nonce: 'n-1' }
const keySet = {
  keys: [
    { ...ours.publicKey.export({ format: 'jwk' }), kid: 'k-1', use: 'sig' },
    { ...curve.publicKey.export({ format: 'jwk' }), kid: 'k-2' },
    { ...edwards.publicKey.export({ format: 'jwk' }), kid: 'k-3' },
  ],
}

async function signed(
  change: Record<string, unknown> = {},
  header: { alg?: string; kid?: string; key?: KeyObject | Uint8Array } = {},
): Promise<string> {
  const { alg = 'RS256', kid = 'k-1', key = ours.privateKey } = header
  return new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg, kid }).sign(key)
}

function judge(
  idToken: string,
  more: { jwksUri?: string; keys?: unknown; nonce?: string; count?: { n: number } } = {},
) {
  const provider = sampleProvider(issuer, sampleEntry(), { issuer, jwksUri: more.jwksUri ?? `${issuer}/jwks` })
  const send: Send = async () => {
    if (more.count !== undefined) more.count.n++
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(more.keys ?? keySet)) }
  }
  return judgeIdToken(send, { provider, clientId: 'client-1', idToken, accessToken, nonce: more.nonce ?? 'n-1', now })
}

describe('an ID token that holds (OpenID Connect Core section 3.1.3.7, row 66)', () => {
  it('is verified with the published keys, by each kind of signature, with the hash of its access token', async () => {
    const kinds = [
      await signed({ at_hash: atHash('sha256') }),
      await signed({ at_hash: atHash('sha384') }, { alg: 'RS384' }),
      await signed({}, { alg: 'PS256' }),
      await signed({ at_hash: atHash('sha256') }, { alg: 'ES256', kid: 'k-2', key: curve.privateKey }),
      await signed({ at_hash: atHash('sha512') }, { alg: 'EdDSA', kid: 'k-3', key: edwards.privateKey }),
    ]
    for (const token of kinds) expect(await judge(token)).toMatchObject({ kind: 'verified', claims: { sub: 'alice' } })
  })

  it('may name several audiences when we are the authorized party', async () => {
    const token = await signed({ aud: ['client-1', 'other'], azp: 'client-1' })
    expect((await judge(token)).kind).toBe('verified')
  })

  it('costs one request for keys, however unknown its key id is (row 69)', async () => {
    const count = { n: 0 }
    expect((await judge(await signed({}, { kid: 'nobody' }), { count })).kind).toBe('refused')
    expect(count.n).toBe(1)
  })
})

describe('a tampered ID token is refused, and the words hold nothing of it (row 66)', () => {
  let tampered: readonly (readonly [string, string])[] = []
  beforeAll(async () => {
    const [header, , signature] = (await signed()).split('.')
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'mallory' })).toString('base64url')
    const without = async (name: string) => signed({ [name]: undefined })
    tampered = [
      ['another issuer', await signed({ iss: 'https://evil.example' })],
      ['an issuer with a slash', await signed({ iss: `${issuer}/` })],
      ['another audience', await signed({ aud: 'client-2' })],
      ['several audiences without azp', await signed({ aud: ['client-1', 'other'] })],
      ['another authorized party', await signed({ azp: 'other' })],
      ['expired', await signed({ exp: seconds - 120 })],
      ['made in the future', await signed({ iat: seconds + 600, exp: seconds + 900 })],
      ['made long ago', await signed({ iat: seconds - 86_400 })],
      ['another nonce', await signed({ nonce: 'n-2' })],
      ['no nonce', await without('nonce')],
      ['the hash of another access token', await signed({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
      ['a hash that is no text', await signed({ at_hash: 5 })],
      ['no subject', await without('sub')],
      ['an empty subject', await signed({ sub: '' })],
      ['no expiry', await without('exp')],
      ['no time of issue', await without('iat')],
      ['a changed payload', `${header}.${forged}.${signature}`],
      ['signed by another key', await signed({}, { key: theirs.privateKey })],
      ['signed by another key under another key id', await signed({}, { kid: 'k-9', key: theirs.privateKey })],
    ]
  })
  it('in every one of 19 ways', async () => {
    expect(tampered).toHaveLength(19)
    for (const [name, token] of tampered) {
      const verdict = await judge(token)
      expect(verdict.kind, name).toBe('refused')
      expect(JSON.stringify(verdict)).not.toMatch(/alice|mallory|client-1|evil|n-1|n-2/)
    }
  })
})

it('what published keys cannot check is never verified: no signature, a shared secret, no keys, keys out of bounds', async () => {
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`
  // Key confusion: the public key used as the secret of an HMAC.
  const confused = await signed(
    {},
    { alg: 'HS256', key: Buffer.from(ours.publicKey.export({ type: 'spki', format: 'pem' })) },
  )
  expect((await judge(none)).kind).toBe('unverifiable')
  expect((await judge(confused)).kind).toBe('unverifiable')
  expect((await judge(await signed(), { keys: 'x' })).kind).toBe('unverifiable')
  expect((await judge(await signed(), { keys: { keys: Array(101).fill(keySet.keys[0]) } })).kind).toBe('unverifiable')
})
