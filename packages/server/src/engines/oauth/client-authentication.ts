import { createPrivateKey, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import type { ClientAuth } from 'oauth4webapi'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Secret } from '../../core/secret.ts'
import type { OurClient } from './oauth.ts'

/** Signed assertions are for one request on its way: a minute is long enough for skewed clocks and slow networks. */
const assertionLifetimeSeconds = 60

/**
 * How we prove to a token endpoint who we are, by the entry's method. A client that was given a private key signs,
 * whatever the entry's default is (row 76). A client without any secret is public and sends its id alone.
 * `undefined`: the entry wants a key and the client has none, or none that can be used; nothing must be sent.
 */
export function clientAuthentication(
  provider: ResolvedProvider,
  client: OurClient,
  world: { readonly now: number; readonly random: (bytes: number) => Uint8Array },
): ClientAuth | undefined {
  const method = provider.entry.oauth.clientAuthentication
  const { clientId, clientSecret } = client
  if (client.privateKey !== undefined) {
    const signing = readPrivateKey(client.privateKey)
    if (signing === undefined) return undefined
    return async (_server, _client, body, headers) => {
      headers.delete('authorization')
      body.set('client_id', clientId)
      body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
      body.set('client_assertion', await assertion(provider, clientId, signing, world))
    }
  }
  if (method === 'private_key_jwt') return undefined
  if (method === 'none' || clientSecret === undefined)
    return (_server, _client, body) => body.set('client_id', clientId)
  if (method === 'client_secret_post') {
    return (_server, _client, body) => {
      body.set('client_id', clientId)
      body.set('client_secret', clientSecret.reveal())
    }
  }
  return (_server, _client, _body, headers) => {
    const pair = `${formEncode(clientId)}:${formEncode(clientSecret.reveal())}`
    headers.set('authorization', `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`)
  }
}

/**
 * application/x-www-form-urlencoded as RFC 6749 section 2.3.1 wants it for Basic. Unlike stricter encoders this leaves
 * `-`, `.`, `_` and `*` as they are, as the form serialiser does: many providers never decode, and their ids have them.
 */
export function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/**
 * RFC 7523 section 3. The sole audience is the issuer: an assertion for whatever endpoint a hostile document names
 * would be good at the honest server (row 5). Only where no issuer is known it is the token endpoint.
 */
async function assertion(
  provider: ResolvedProvider,
  clientId: string,
  { key, alg, kid }: SigningKey,
  world: { readonly now: number; readonly random: (bytes: number) => Uint8Array },
): Promise<string> {
  const audience = provider.issuer ?? provider.tokenEndpoint
  if (audience === undefined) throw new TypeError('a client assertion wants an issuer or a token endpoint as audience')
  const nowSeconds = Math.floor(world.now / 1000)
  return new SignJWT()
    .setProtectedHeader({ alg, typ: 'JWT', ...(kid !== undefined && { kid }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(Buffer.from(world.random(16)).toString('base64url'))
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + assertionLifetimeSeconds)
    .sign(key)
}

interface SigningKey {
  readonly key: KeyObject
  readonly alg: string
  readonly kid?: string
}

/** Undefined when the text is no usable private key. The parser's own error would quote the key, so it goes nowhere. */
function readPrivateKey(secret: Secret): SigningKey | undefined {
  const text = secret.reveal().trim()
  try {
    const jwk = text.startsWith('{') ? JSON.parse(text) : undefined
    const key = createPrivateKey(jwk === undefined ? text : { key: jwk, format: 'jwk' })
    const usual = algorithmsOf(key)
    const alg = usual.includes(jwk?.alg) ? jwk.alg : usual[0]
    return alg === undefined ? undefined : { key, alg, ...(typeof jwk?.kid === 'string' && { kid: jwk.kid }) }
  } catch {
    return undefined
  }
}

/** What a key can sign, the most widely accepted first. */
function algorithmsOf(key: KeyObject): readonly string[] {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength >= 2048 ? ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'] : []
    case 'ed25519':
      return ['EdDSA', 'Ed25519']
    case 'ec':
      return { prime256v1: ['ES256'], secp384r1: ['ES384'], secp521r1: ['ES512'] }[namedCurve] ?? []
    default:
      return []
  }
}
