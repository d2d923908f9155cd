import { createHmac, createPrivateKey, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { decodeProtectedHeader, exportSPKI, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { Failure } from '../../core/failure.ts'
import { Secret } from '../../core/secret.ts'
import type { AccessTokenClaims } from './access-token-claims.ts'
import { createSigner } from './signer.ts'
import { generateSigningKey, type SigningKey } from './signing-key.ts'

const issuer = 'https://valetkey.example'
const nowSeconds = 1_700_000_000
const expected = { issuer, audience: issuer, now: nowSeconds * 1000 }
const claims: AccessTokenClaims = {
  iss: issuer,
  aud: issuer,
  sub: 'usr_00000000000000000000000001',
  client_id: 'agt_00000000000000000000000001',
  scope: 'connections:use',
  tenant: 'ten_00000000000000000000000001',
  jti: 'token-1',
  iat: nowSeconds - 10,
  exp: nowSeconds + 590,
  act: { sub: 'agt_00000000000000000000000001' },
  task: 'tsk_00000000000000000000000001',
}

const key = await generateSigningKey()
const stranger = await generateSigningKey()
const signer = await createSigner({ keys: [key] })

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const privateKeyOf = (from: SigningKey) =>
  createPrivateKey({ key: JSON.parse(from.privateJwk.reveal()), format: 'jwk' })

/** A token made by hand, so that it can be wrong in ways that a library would not let us. */
function forge(header: object, payload: unknown = claims, by: KeyObject = privateKeyOf(key)): string {
  const input = `${part(header)}.${part(payload)}`
  const signature = createSign('sha256').update(input).sign({ key: by, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
const header = (more: object = {}) => ({ typ: 'at+jwt', alg: 'ES256', kid: key.kid, ...more })

async function expectRefused(jwt: string, wanted: Partial<typeof expected> = {}): Promise<void> {
  const failure = await signer.verifyAccessToken(jwt, { ...expected, ...wanted }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Failure)
  expect(failure).toMatchObject({
    code: 'unauthorized',
    status: 401,
    message: 'The access token is not valid here. Get a new one.',
  })
}

describe('an access token (RFC 9068, row 28)', () => {
  test('is at+jwt, ES256, under a kid of ours, and verifies to what was signed', async () => {
    const jwt = await signer.signAccessToken(claims)
    expect(decodeProtectedHeader(jwt)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: key.kid })
    expect(await signer.verifyAccessToken(jwt, expected)).toEqual(claims)
  })

  test('made by hand as it should be verifies: what the refusals below change is what refuses them', async () => {
    expect(await signer.verifyAccessToken(forge(header()), expected)).toEqual(claims)
    expect(await signer.verifyAccessToken(forge(header({ typ: 'application/at+jwt' })), expected)).toEqual(claims)
  })

  test('lives from iat until exp, to the second', async () => {
    const jwt = await signer.signAccessToken(claims)
    await expect(signer.verifyAccessToken(jwt, { ...expected, now: claims.exp * 1000 - 1 })).resolves.toEqual(claims)
    await expectRefused(jwt, { now: claims.exp * 1000 })
    await expectRefused(jwt, { now: (claims.iat - 61) * 1000 })
  })

  test('of an older key verifies as long as that key is kept', async () => {
    const jwt = await signer.signAccessToken(claims)
    const rotated = await createSigner({ keys: [stranger, key] })
    expect(await rotated.verifyAccessToken(jwt, expected)).toEqual(claims)
    expect(decodeProtectedHeader(await rotated.signAccessToken(claims)).kid).toBe(stranger.kid)
    const without = await createSigner({ keys: [stranger] })
    await expect(without.verifyAccessToken(jwt, expected)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('is not signed with claims that would not verify', async () => {
    const wrong: object[] = [
      { sub: '' },
      { jti: undefined },
      { aud: [issuer] },
      { exp: claims.iat + 3601 },
      { exp: claims.iat },
      { iat: 1.5 },
      { act: {} },
    ]
    for (const change of wrong) {
      await expect(signer.signAccessToken({ ...claims, ...change } as AccessTokenClaims)).rejects.toThrow(TypeError)
    }
  })
})

describe('what is refused as an access token (rows 8, 9, 28, 29, 88)', () => {
  test.each<[string, object]>([
    ['an ID token or any other JWT (row 29)', { typ: 'JWT' }],
    ['a token without a type', { typ: undefined }],
    ['a logout token', { typ: 'logout+jwt' }],
    ['alg none in the header', { alg: 'none' }],
    ['alg in other letters', { alg: 'es256' }],
    ['an alg of another curve', { alg: 'ES384' }],
    ['an alg of another kind of key', { alg: 'RS256' }],
    ['no alg', { alg: undefined }],
    ['no kid', { kid: undefined }],
    ['a kid of nobody', { kid: 'unknown' }],
    ['a kid that is a path', { kid: '../../../../dev/null' }],
    ['a kid that is SQL', { kid: "' UNION SELECT 'x" }],
    ['a kid that every object has', { kid: '__proto__' }],
    ['a kid that is a list', { kid: ['x'] }],
    ['an unknown critical header', { crit: ['exp2'], exp2: 1 }],
    ['a critical header that libraries know', { crit: ['b64'], b64: true }],
    ['an empty list of critical headers', { crit: [] }],
    ['an unencoded payload (RFC 7797)', { b64: false }],
  ])('%s, though it is signed with our key', async (_, change) => {
    await expectRefused(forge(header(change)))
  })

  test.each<[string, Partial<Record<keyof AccessTokenClaims | 'nbf', unknown>>]>([
    ['of another issuer', { iss: 'https://valetkey.example/t/other' }],
    ['of an issuer with a slash more', { iss: `${issuer}/` }],
    ['for another audience (row 8)', { aud: `${issuer}/mcp` }],
    ['for several audiences', { aud: [issuer, 'https://elsewhere.example'] }],
    ['for our audience as a list', { aud: [issuer] }],
    ['without audience', { aud: undefined }],
    ['expired', { exp: nowSeconds - 1 }],
    ['without end', { exp: undefined }],
    ['whose end is text', { exp: '9999999999' }],
    ['that lives too long', { exp: nowSeconds + 86_400 }],
    ['from the future', { iat: nowSeconds + 120, exp: nowSeconds + 600 }],
    ['not valid yet', { nbf: nowSeconds + 60 }],
    ['without time of issue', { iat: undefined }],
    ['without subject', { sub: undefined }],
    ['without client', { client_id: undefined }],
    ['without jti', { jti: undefined }],
    ['without tenant', { tenant: undefined }],
    ['whose subject is a number', { sub: 7 }],
    ['whose actor is text', { act: 'agt_00000000000000000000000001' }],
    ['whose task is a list', { task: ['tsk_1'] }],
  ])('a token %s, though it is signed with our key', async (_, change) => {
    await expectRefused(forge(header(), { ...claims, ...change }))
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['a list', [claims]],
    ['text', 'claims'],
  ])('claims that are %s', async (_, payload) => {
    await expectRefused(forge(header(), payload))
  })

  test('alg none without a signature', async () => {
    await expectRefused(`${part({ ...header(), alg: 'none' })}.${part(claims)}.`)
    await expectRefused(`${part(header())}.${part(claims)}.`)
  })

  test.each(['HS256', 'HS384', 'HS512'])(
    '%s keyed with any spelling of our public key (RFC 8725 section 2.1)',
    async alg => {
      const publicKey = (await importJWK({ ...key.publicJwk }, 'ES256', { extractable: true })) as CryptoKey
      const spki = await exportSPKI(publicKey)
      for (const secret of [spki, spki.trim(), JSON.stringify(key.publicJwk), key.publicJwk.x, '']) {
        const input = `${part(header({ alg }))}.${part(claims)}`
        const mac = createHmac(`sha${alg.slice(2)}`, secret)
          .update(input)
          .digest('base64url')
        await expectRefused(`${input}.${mac}`)
      }
    },
  )

  test('a key that the token brings along or points to: jwk, jku, x5u and x5c are never looked at', async () => {
    const by = privateKeyOf(stranger)
    const brought = {
      jwk: stranger.publicJwk,
      jku: 'http://127.0.0.1:1/jwks',
      x5u: 'http://127.0.0.1:1/cert',
      x5c: ['AAAA'],
    }
    await expectRefused(forge(header(brought), claims, by))
    await expectRefused(forge(header({ ...brought, kid: stranger.kid }), claims, by))
    // With our signature they change nothing.
    expect(await signer.verifyAccessToken(forge(header(brought)), expected)).toEqual(claims)
  })

  test('a token of ours that is longer than any we make', async () => {
    await expectRefused(forge(header(), { ...claims, pad: 'x'.repeat(8192) }))
  })

  test('a signature of another key, also of another kind', async () => {
    await expectRefused(forge(header(), claims, privateKeyOf(stranger)))
    await expectRefused(forge(header(), claims, generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey))
  })

  test('a zero signature, one of another length and one in DER (CVE-2022-21449)', async () => {
    const input = `${part(header())}.${part(claims)}`
    await expectRefused(`${input}.${Buffer.alloc(64).toString('base64url')}`)
    await expectRefused(`${input}.${Buffer.alloc(63, 1).toString('base64url')}`)
    await expectRefused(`${input}.${createSign('sha256').update(input).sign(privateKeyOf(key)).toString('base64url')}`)
  })

  test('a token with any character changed', async () => {
    const jwt = await signer.signAccessToken(claims)
    for (let i = 0; i < jwt.length; i++) {
      if (jwt[i] === '.') continue
      // The last character of the signature has bits that decode to nothing.
      const other = i === jwt.length - 1 ? '.' : jwt[i] === 'A' ? 'B' : 'A'
      await expectRefused(jwt.slice(0, i) + other + jwt.slice(i + 1))
    }
  })

  test.each([
    ['nothing', ''],
    ['text', 'token'],
    ['dots', '..'],
    ['five parts (JWE)', 'a.b.c.d.e'],
    ['a header that is no JSON', `e30x.${part(claims)}.AAAA`],
    ['something very long', `${part({ ...header(), pad: 'x'.repeat(9000) })}.e30.AAAA`],
  ])('%s', async (_, text) => {
    await expectRefused(text)
  })
})

describe('signing keys', () => {
  test('the published set holds no private member', () => {
    expect(signer.publicJwks()).toEqual({ keys: [key.publicJwk] })
    expect(Object.keys(signer.publicJwks().keys[0]!).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  test('a key under the kid of another is refused, so that a stored public key is never believed', async () => {
    await expect(createSigner({ keys: [{ kid: key.kid, privateJwk: stranger.privateJwk }] })).rejects.toThrow(TypeError)
  })

  test('a key of another kind, no key, and what is no key are refused without being repeated', async () => {
    await expect(createSigner({ keys: [] })).rejects.toThrow(TypeError)
    await expect(createSigner({ keys: [{ kid: 'k', privateJwk: new Secret('canary') }] })).rejects.toThrow(
      /^(?!.*canary).*no private JWK/,
    )
    await expect(
      createSigner({ keys: [{ kid: 'k', privateJwk: new Secret(JSON.stringify(key.publicJwk)) }] }),
    ).rejects.toThrow(TypeError)
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' })
    await expect(createSigner({ keys: [{ kid: 'k', privateJwk: new Secret(JSON.stringify(p384)) }] })).rejects.toThrow(
      /P-256/,
    )
  })
})
