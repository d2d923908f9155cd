import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { Failure } from '../../core/failure.ts'
import { type AccessTokenClaims, claimsFault } from './access-token-claims.ts'
import { type OpenedKey, openSigningKey, type PublicJwk, type SigningKey } from './signing-key.ts'

/** What a token must be for. */
export interface Expected {
  /** Base URL of the tenant. */
  readonly issuer: string
  /** The one audience that is accepted, byte for byte. */
  readonly audience: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Signs and verifies the access tokens of one tenant's issuer: `at+jwt`, ES256, nothing else (RFC 9068, RFC 8725). */
export interface Signer {
  /** A `TypeError` when the claims are not an access token's. */
  signAccessToken(claims: AccessTokenClaims): Promise<string>
  /** Throws `unauthorized` for all that is not a live access token of this issuer for this audience. */
  verifyAccessToken(jwt: string, expected: Expected): Promise<AccessTokenClaims>
  /** The key set document of the issuer (RFC 7517). */
  publicJwks(): { readonly keys: readonly PublicJwk[] }
}

export interface SignerOptions {
  /** The first signs; all verify. */
  readonly keys: readonly Pick<SigningKey, 'kid' | 'privateJwk'>[]
}

const algorithm = 'ES256'
const type = 'at+jwt'
// Ours are below 1 KiB. A bound keeps a stranger from having megabytes decoded before the signature is looked at.
const longestToken = 8192
// Nodes of one issuer sign for each other, and their clocks differ a little.
const clockSkewSeconds = 60

export async function createSigner(options: SignerOptions): Promise<Signer> {
  const keys = new Map<string, OpenedKey>()
  for (const key of options.keys) keys.set(key.kid, await openSigningKey(key))
  const current = keys.get(options.keys[0]?.kid ?? '')
  if (current === undefined) throw new TypeError('A signer needs a signing key')
  return {
    async signAccessToken(claims) {
      const fault = claimsFault({ ...claims })
      if (fault !== undefined) throw new TypeError(`These are not the claims of an access token: ${fault}`)
      return new SignJWT({ ...claims })
        .setProtectedHeader({ typ: type, alg: algorithm, kid: current.kid })
        .sign(current.privateKey)
    },
    async verifyAccessToken(jwt, expected) {
      try {
        return await verified(keys, jwt, expected)
      } catch (cause) {
        throw new Failure('unauthorized', 'The access token is not valid here. Get a new one.', { cause })
      }
    },
    publicJwks: () => ({ keys: [...keys.values()].map(key => key.publicJwk) }),
  }
}

async function verified(keys: ReadonlyMap<string, OpenedKey>, jwt: string, expected: Expected) {
  if (jwt.length > longestToken) throw new Error('The token is too long')
  const header = decodeProtectedHeader(jwt)
  // No extension is understood here, so none may be critical, also not those that the library knows (RFC 7515 4.1.11).
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64'))
    throw new Error('A critical header is not understood')
  // Only the kid chooses, and only among our keys: jku, jwk, x5u and x5c are never looked at.
  const key = typeof header.kid === 'string' ? keys.get(header.kid) : undefined
  if (key === undefined) throw new Error('The kid is not one of ours')
  const { payload } = await jwtVerify(jwt, key.publicKey, {
    algorithms: [algorithm],
    typ: type,
    issuer: expected.issuer,
    audience: expected.audience,
    currentDate: new Date(expected.now),
    clockTolerance: 0,
  })
  // Also refuses an audience that is a list: the library takes one that contains ours.
  const fault = claimsFault(payload)
  if (fault !== undefined) throw new Error(fault)
  const claims = payload as unknown as AccessTokenClaims
  if (claims.iat > expected.now / 1000 + clockSkewSeconds) throw new Error('iat lies in the future')
  return claims
}
