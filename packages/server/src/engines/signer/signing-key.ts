import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { Secret } from '../../core/secret.ts'

/** Public half of a signing key as it is published (RFC 7517, RFC 7518 section 6.2). */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

/** A signing key of one tenant's issuer. `kid` is the key's own thumbprint (RFC 7638), so it cannot name another. */
export interface SigningKey {
  readonly kid: string
  /** The private JWK as JSON text. It is sealed at rest. */
  readonly privateJwk: Secret
  readonly publicJwk: PublicJwk
}

/** A signing key ready for use. */
export interface OpenedKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly publicJwk: PublicJwk
}

/** Makes an ES256 key (P-256). */
export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicJwk = await publish(publicKey)
  const privateJwk = { ...privateKey.export({ format: 'jwk' }), kid: publicJwk.kid, alg: 'ES256', use: 'sig' }
  return { kid: publicJwk.kid, privateJwk: new Secret(JSON.stringify(privateJwk)), publicJwk }
}

/**
 * Opens a stored key. The public half is taken from the private one and the kid computed from that: a public key that
 * somebody wrote into the database is never trusted.
 */
export async function openSigningKey(key: Pick<SigningKey, 'kid' | 'privateJwk'>): Promise<OpenedKey> {
  const privateKey = parse(key)
  const publicKey = createPublicKey(privateKey)
  const publicJwk = await publish(publicKey)
  if (publicJwk.kid !== key.kid) throw new TypeError(`Signing key ${key.kid} is not the key of that id`)
  return { kid: key.kid, privateKey, publicKey, publicJwk }
}

function parse(key: Pick<SigningKey, 'kid' | 'privateJwk'>): KeyObject {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key: JSON.parse(key.privateJwk.reveal()), format: 'jwk' })
  } catch {
    // The parser's own message can quote what it read, which is the key.
    throw new TypeError(`Signing key ${key.kid} is no private JWK`)
  }
  if (privateKey.asymmetricKeyType !== 'ec' || privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TypeError(`Signing key ${key.kid} is not on the curve P-256`)
  }
  return privateKey
}

async function publish(publicKey: KeyObject): Promise<PublicJwk> {
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string }
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const
  return { ...jwk, kid: await calculateJwkThumbprint(jwk satisfies JWK), alg: 'ES256', use: 'sig' }
}
