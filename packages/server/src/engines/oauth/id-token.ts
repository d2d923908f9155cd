import { createHash } from 'node:crypto'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { readBoundedJson } from '../../core/token/bounded-json.ts'
import type { Send } from './oauth.ts'

/** Signatures that only the provider can make. HS256 and `none` are not among them (row 66). */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

const jwksBounds = { maxBytes: 262_144, maxDepth: 8, maxMembers: 2_000, maxTextLength: 32_768 }
const clockToleranceSeconds = 60
/** It came straight from the token endpoint, so it was made just now. */
const maxAgeSeconds = 900
/** A set of more keys than this is no provider's. */
const maxKeys = 100

export interface IdTokenCheck {
  readonly provider: ResolvedProvider
  readonly clientId: string
  readonly idToken: string
  readonly accessToken: string
  readonly nonce?: string
  readonly now: number
}

export type IdTokenVerdict =
  | { readonly kind: 'verified'; readonly claims: Readonly<Record<string, unknown>> }
  /** Nothing can be said: no issuer, no keys to be had, or an algorithm that only a shared secret could check. */
  | { readonly kind: 'unverifiable'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * Judges an ID token (OpenID Connect Core section 3.1.3.7): signature by the provider's published keys, `iss`, `aud`
 * alone or with `azp`, `exp`, `iat`, `nonce`, and `at_hash` when present.
 */
export async function judgeIdToken(send: Send, check: IdTokenCheck): Promise<IdTokenVerdict> {
  const { issuer, jwksUri } = check.provider
  if (issuer === undefined || jwksUri === undefined) return unverifiable('the issuer or its keys are not known')
  let alg: string | undefined
  try {
    alg = decodeProtectedHeader(check.idToken).alg
  } catch {
    return refused('the ID token has no readable header')
  }
  if (alg === undefined || !algorithms.includes(alg)) {
    return unverifiable('the ID token is not signed with an algorithm that the published keys can check')
  }
  const keys = await fetchKeys(send, jwksUri)
  if (keys === undefined) return unverifiable("the provider's keys could not be fetched")
  let claims: JWTPayload
  try {
    const verified = await jwtVerify(check.idToken, createLocalJWKSet(keys), {
      algorithms,
      issuer,
      audience: check.clientId,
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'],
      currentDate: new Date(check.now),
      clockTolerance: clockToleranceSeconds,
      maxTokenAge: maxAgeSeconds,
    })
    claims = verified.payload
  } catch (thrown) {
    return refused(`the ID token does not hold: ${reasonOf(thrown)}`)
  }
  const fault = claimsFault(claims, alg, check)
  return fault === undefined ? { kind: 'verified', claims: readClaims(claims) } : refused(fault)
}

function claimsFault(claims: JWTPayload, alg: string, check: IdTokenCheck): string | undefined {
  if (typeof claims.sub !== 'string' || claims.sub === '' || claims.sub.length > 255) {
    return 'the `sub` of the ID token is not a text of 1 to 255 characters'
  }
  const hasOthers = Array.isArray(claims.aud) && claims.aud.some(audience => audience !== check.clientId)
  if ((hasOthers || claims.azp !== undefined) && claims.azp !== check.clientId) {
    return 'the ID token is for several audiences or another authorized party'
  }
  if (claims.nonce !== check.nonce) return 'the `nonce` of the ID token is not the one of this flow'
  if (claims.at_hash !== undefined && claims.at_hash !== accessTokenHash(alg, check.accessToken)) {
    return 'the `at_hash` of the ID token belongs to another access token'
  }
  return undefined
}

/** Left half of the hash that the signature algorithm uses (OpenID Connect Core section 3.1.3.6). */
function accessTokenHash(alg: string, accessToken: string): string {
  const bits = alg.startsWith('Ed') ? '512' : alg.slice(2)
  const digest = createHash(`sha${bits}`).update(accessToken, 'ascii').digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

async function fetchKeys(send: Send, jwksUri: string): Promise<JSONWebKeySet | undefined> {
  let answer: Awaited<ReturnType<Send>>
  try {
    answer = await send({
      method: 'GET',
      url: jwksUri,
      headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': 'Valetkey' },
    })
  } catch {
    return undefined
  }
  if (answer.status !== 200) return undefined
  const read = readBoundedJson(answer.body, jwksBounds)
  if (read.kind === 'refused' || !Array.isArray(read.value.keys) || read.value.keys.length > maxKeys) return undefined
  return { keys: read.value.keys.filter(key => typeof key === 'object' && !Array.isArray(key)) } as JSONWebKeySet
}

/** Claims as plain data without a prototype and within bounds: they come from outside, signed or not. */
function readClaims(claims: JWTPayload): Readonly<Record<string, unknown>> {
  const bounded = readBoundedJson(Buffer.from(JSON.stringify(claims)), {
    maxBytes: 65_536,
    maxDepth: 8,
    maxMembers: 500,
    maxTextLength: 8_192,
  })
  return bounded.kind === 'object' ? bounded.value : Object.assign(Object.create(null), { sub: claims.sub })
}

/** The library's code names the check, never a value. */
function reasonOf(thrown: unknown): string {
  const { code, claim } = thrown as { code?: unknown; claim?: unknown }
  const name = typeof code === 'string' && /^ERR_[A-Z_]{1,60}$/.test(code) ? code : 'it cannot be verified'
  return typeof claim === 'string' && /^[a-z_]{1,20}$/.test(claim) ? `${name} (${claim})` : name
}

function unverifiable(why: string): IdTokenVerdict {
  return { kind: 'unverifiable', why }
}

function refused(why: string): IdTokenVerdict {
  return { kind: 'refused', why }
}
