import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Adapter, AdapterPayload, Provider as OidcProvider } from 'oidc-provider'
import type { Client } from '../../../core/client.ts'
import { Failure } from '../../../core/failure.ts'
import { baseUrlOf, type Tenant } from '../../../core/tenant.ts'
import type { PublicJwk } from '../../../engines/signer/signing-key.ts'
import { assertionAlgorithms } from '../../../flows/agents/clean-jwks.ts'
import { isSecret } from '../../../flows/agents/client-secret.ts'
import { issueClientToken } from '../../../flows/agents/issue-client-token.ts'
import type { Origin } from '../../../flows/agents/issue-token.ts'
import { loadClient } from '../../../flows/agents/load-client.ts'
import type { Parts } from '../../../parts.ts'
import { assertionFault } from './client-assertion.ts'
import { ExternalSigningKey, errors, Provider } from './library.ts'
import { allScopes } from './metadata.ts'

export type OAuthParts = Pick<Parts, 'config' | 'now' | 'random' | 'store' | 'vault' | 'signers' | 'log'>

/** One request on its way through the library. */
export interface Attempt {
  readonly origin: Origin
  /** Set once a client of ours is known by the id that the request gives, before it has proved anything. */
  client?: Client
  /** Counts a failed authentication, before the answer goes out. */
  readonly failed: () => Promise<void>
}

/** The library set up as the authorization server of one tenant. */
export interface TenantProvider {
  readonly provider: OidcProvider
  /** What is told here belongs to the request object that `provider.callback()` is given. */
  readonly attempts: WeakMap<IncomingMessage, Attempt>
}

/**
 * `oidc-provider` for one tenant: it parses, authenticates clients and speaks the error dialect. What it may ask of us is
 * who a client is; what it may do is client credentials. Tokens are signed by our signer, so the library never holds a
 * private key, and keeps no token.
 */
export async function providerForTenant(parts: OAuthParts, tenant: Tenant): Promise<TenantProvider> {
  const issuer = baseUrlOf(tenant, parts.config.url)
  const attempts = new WeakMap<IncomingMessage, Attempt>()
  const signer = await parts.signers.of(tenant.id)
  const attemptNow = (): Attempt => {
    const attempt = Provider.ctx === undefined ? undefined : attempts.get(Provider.ctx.req)
    if (attempt === undefined) throw new TypeError('The library was called outside of a request of ours')
    return attempt
  }

  const provider = new Provider(issuer, {
    adapter: (model: string) => (model === 'Client' ? clientAdapter(parts, tenant, attemptNow) : noAdapter(model)),
    jwks: { keys: signer.publicJwks().keys.map(jwk => new PublishedKey(jwk)) },
    routes: { token: '/oauth/token', jwks: '/oauth/jwks' },
    scopes: [...allScopes],
    responseTypes: [],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { clientAuthSigningAlgValues: [...assertionAlgorithms] },
    clockTolerance: 0,
    cookies: { keys: [parts.random(32).toString('base64url')] },
    features: {
      clientCredentials: { enabled: true },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      resourceIndicators: { enabled: false },
    },
    // Nothing of a client's may make this server open a connection (row 21).
    fetch: () => Promise.reject(new TypeError('The authorization server fetches nothing')),
    assertJwtClientAuthClaimsAndHeader: (_ctx, claims, header, client) => {
      const fault = assertionFault(claims, header, { client: client.clientId, issuer, now: parts.now() })
      if (fault !== undefined) throw new errors.InvalidClientAuth(fault)
    },
  })

  // The library takes basic and post for one another; we take the registered method only (row 31).
  provider.Client.prototype.compareClientSecret = function (given: string): boolean {
    const used = Provider.ctx?.headers.authorization === undefined ? 'client_secret_post' : 'client_secret_basic'
    const stored = attemptNow().client?.secretHash
    return stored !== undefined && isSecret(stored, given, parts.now()) && used === this.clientAuthMethod
  }
  // The library looks and then writes, in two steps that two requests can both pass; this is one.
  provider.ReplayDetection.unique = (iss: string, jti: string, exp: number) =>
    parts.store.change(tenant.id, rows =>
      rows.authorizations.once('client_assertion', hash(JSON.stringify([iss, jti])), exp * 1000),
    )
  provider.registerGrantType<{ scope?: string; resource?: string | string[] }>(
    'client_credentials',
    async ctx => {
      const attempt = attemptNow()
      // Read again: between the proof and this moment the client may have ended.
      const client = await loadClient(parts, tenant.id, ctx.oidc.client.clientId)
      if (client === undefined) throw new errors.InvalidClientAuth('the client has ended')
      const { scope, resource } = ctx.oidc.params
      if (Array.isArray(resource)) throw new errors.InvalidTarget('one resource only')
      const answer = await issueClientToken(
        parts,
        tenant,
        client,
        { ...(scope !== undefined && { scope }), ...(resource !== undefined && { resource }) },
        attempt.origin,
      )
      if (answer.kind === 'refused') {
        if (answer.error === 'invalid_scope') throw new errors.InvalidScope(answer.description, scope ?? '')
        throw Object.assign(new errors.InvalidTarget(answer.description), { error_description: answer.description })
      }
      ctx.body = {
        access_token: answer.token.accessToken.reveal(),
        token_type: 'Bearer',
        expires_in: answer.token.expiresIn,
        scope: answer.token.scopes.join(' '),
      }
    },
    ['scope', 'resource'],
    ['resource'],
  )
  provider.on('server_error', (ctx, error) => report(parts, attempts.get(ctx.req), error))
  // Koa's own event, which the library's types leave out; without a listener it prints to the console.
  const koa: EventEmitter = provider as unknown as EventEmitter
  koa.on('error', error => report(parts, undefined, error))
  // No page of another origin has business at the token endpoint while there are no public clients (row 50).
  provider.use(async (ctx, next) => {
    await next()
    ctx.remove('access-control-allow-origin')
    ctx.remove('access-control-expose-headers')
    if (ctx.status === 401) await attempts.get(ctx.req)?.failed()
  })
  return { provider, attempts }
}

/** How the library learns of a client: ours, genuine and live, or none. */
function clientAdapter(parts: OAuthParts, tenant: Tenant, attemptNow: () => Attempt): Adapter {
  return {
    ...noAdapter('Client'),
    async find(id: string): Promise<AdapterPayload | undefined> {
      const client = await loadClient(parts, tenant.id, id)
      if (client === undefined) return undefined
      attemptNow().client = client
      return {
        client_id: client.id,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: client.authenticationMethod,
        // The library demands one and compares it by itself no more: see `compareClientSecret`. What stands here opens
        // nothing, and changes with the row so that the library's own memory of clients never outlives a change.
        ...(client.secretHash !== undefined && { client_secret: hash(client.mac) }),
        ...(client.jwks !== undefined && { jwks: client.jwks as { keys: never[] } }),
      }
    },
  }
}

/** A model that nothing may be kept in: the grant type that we serve stores nothing of the library's. */
function noAdapter(model: string): Adapter {
  const refuse = () => Promise.reject(new TypeError(`Nothing of the library's model ${model} is stored`))
  return {
    upsert: refuse,
    find: refuse,
    findByUserCode: refuse,
    findByUid: refuse,
    consume: refuse,
    destroy: refuse,
    revokeByGrantId: refuse,
  }
}

/** A key of ours as the library publishes it. It cannot sign with it. */
class PublishedKey extends ExternalSigningKey {
  readonly #publicKey: KeyObject
  constructor(jwk: PublicJwk) {
    super()
    this.#publicKey = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    Object.assign(this, { kid: jwk.kid, alg: jwk.alg })
  }
  override keyObject(): KeyObject {
    return this.#publicKey
  }
}

function report(parts: OAuthParts, attempt: Attempt | undefined, error: unknown): void {
  parts.log.error('The authorization server failed', {
    ...(attempt !== undefined && { request_id: attempt.origin.requestId }),
    error,
    ...(error instanceof Failure && error.cause !== undefined && { cause: error.cause }),
  })
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
