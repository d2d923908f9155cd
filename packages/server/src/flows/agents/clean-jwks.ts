import type { FieldFault } from '@valetkey/contract/errors'

/** A public key of a client, rebuilt from the members that we know: no certificate, no URL, no private member is kept. */
export interface PublicJwk {
  readonly [member: string]: string
}

export interface PublicJwks {
  readonly keys: readonly PublicJwk[]
}

export type CleanedJwks =
  | { readonly kind: 'clean'; readonly jwks: PublicJwks }
  | { readonly kind: 'faulty'; readonly faults: readonly FieldFault[] }

/** Signature algorithms of client assertions: asymmetric ones only, and each key serves one family (row 88). */
export const assertionAlgorithms = ['ES256', 'ES384', 'PS256', 'RS256', 'Ed25519', 'EdDSA'] as const

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

const families = [
  { kty: 'EC', crv: 'P-256', sizes: { x: [32, 32], y: [32, 32] }, algorithms: ['ES256'] },
  { kty: 'EC', crv: 'P-384', sizes: { x: [48, 48], y: [48, 48] }, algorithms: ['ES384'] },
  { kty: 'OKP', crv: 'Ed25519', sizes: { x: [32, 32] }, algorithms: ['Ed25519', 'EdDSA'] },
  // 2048 to 8192 bits. The one exponent in use: others are an oddity or an attack on our time.
  { kty: 'RSA', crv: undefined, sizes: { n: [256, 1024], e: [3, 3] }, algorithms: ['PS256', 'RS256'] },
] as const

/** Judges a key set (RFC 7517) for `private_key_jwt`. Pointers are into the body that has it as `jwks`. */
export function cleanJwks(value: unknown): CleanedJwks {
  const faults: FieldFault[] = []
  const keys: PublicJwk[] = []
  const given = memberOf(value, 'keys')
  if (!Array.isArray(given) || given.length === 0 || given.length > 10) {
    return faulty([{ pointer: '/jwks', detail: 'Give {"keys": [...]} with 1 to 10 public keys.' }])
  }
  for (const [index, key] of given.entries()) {
    const pointer = `/jwks/keys/${index}`
    const found = cleanKey(key)
    if (typeof found === 'string') faults.push({ pointer, detail: found })
    else if (keys.some(other => other.kid !== undefined && other.kid === found.kid))
      faults.push({ pointer: `${pointer}/kid`, detail: 'Two keys have this kid. Give each its own.' })
    else keys.push(found)
  }
  if (keys.length > 1 && keys.some(key => key.kid === undefined))
    faults.push({ pointer: '/jwks', detail: 'With more than one key, each needs a kid.' })
  return faults.length > 0 ? faulty(faults) : { kind: 'clean', jwks: { keys } }
}

function cleanKey(key: unknown): PublicJwk | string {
  if (typeof key !== 'object' || key === null) return 'A key is a JSON Web Key object.'
  const secret = privateMembers.find(member => Object.hasOwn(key, member))
  if (secret !== undefined)
    return `This key has the private member "${secret}". Send the public key only, and replace this one: it was sent over the network.`
  const kty = memberOf(key, 'kty')
  const crv = memberOf(key, 'crv')
  const family = families.find(row => row.kty === kty && row.crv === (row.crv === undefined ? undefined : crv))
  if (family === undefined) return 'Use an EC key on P-256 or P-384, an Ed25519 key (OKP) or an RSA key.'
  const use = memberOf(key, 'use')
  if (use !== undefined && use !== 'sig') return 'The use of this key must be "sig".'
  const clean: Record<string, string> = {
    kty: family.kty,
    use: 'sig',
    ...(family.crv !== undefined && { crv: family.crv }),
  }
  for (const [member, [least, most]] of Object.entries(family.sizes) as [string, [number, number]][]) {
    const text = memberOf(key, member)
    const size = typeof text === 'string' && /^[A-Za-z0-9_-]+$/.test(text) ? Buffer.from(text, 'base64url').length : 0
    if (size < least || size > most)
      return `The member "${member}" of this ${family.kty} key is missing or has a wrong size.`
    clean[member] = text as string
  }
  if (family.kty === 'RSA' && clean.e !== 'AQAB') return 'The exponent of an RSA key must be 65537 ("AQAB").'
  const alg = memberOf(key, 'alg')
  if (alg !== undefined) {
    if (!(family.algorithms as readonly unknown[]).includes(alg))
      return `The alg of this key must be one of ${family.algorithms.join(', ')}.`
    clean.alg = alg as string
  }
  const kid = memberOf(key, 'kid')
  if (kid !== undefined) {
    if (typeof kid !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(kid))
      return 'A kid has 1 to 200 printable ASCII characters.'
    clean.kid = kid
  }
  return clean
}

function faulty(faults: readonly FieldFault[]): CleanedJwks {
  return { kind: 'faulty', faults }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
