import { IncomingMessage, type ServerResponse } from 'node:http'
import type { TenantId } from '../../../core/ids.ts'
import type { Tenant } from '../../../core/tenant.ts'
import { subjectOf } from '../../../flows/agents/create-client.ts'
import { eventOf } from '../../../flows/audit/event.ts'
import { authorizationOf } from '../authenticate.ts'
import { createFailedAttempts, mostForClient } from './failed-attempts.ts'
import { type Attempt, type OAuthParts, providerForTenant, type TenantProvider } from './provider-for-tenant.ts'
import { readTokenRequest, type TokenRequest } from './token-request.ts'

/** What of one request the authorization server has to be told. */
export interface OAuthArrival {
  readonly tenant: TenantId
  /** Path and query below the tenant's base URL. */
  readonly url: string
  readonly requestId: string
  readonly ip?: string
}

/** Answers everything under `/oauth/` of any tenant. The request's body must not have been read. */
export type AuthorizationServer = (
  request: IncomingMessage,
  response: ServerResponse,
  arrival: OAuthArrival,
) => Promise<void>

// A library instance is about 50 KB. Tenants beyond this number cost a rebuild when they come back.
/** Tenants whose authorization server is kept ready. */
export const mostProviders = 200
/** How long the body of a token request may take. */
export const longestReadMs = 10_000

/** The authorization servers of all tenants, each made at its first request (CONTRACT 5). */
export function createAuthorizationServer(parts: OAuthParts): AuthorizationServer {
  const providers = new Map<TenantId, Promise<TenantProvider>>()
  const failed = createFailedAttempts(parts.now)

  function providerOf(tenant: TenantId): Promise<TenantProvider> {
    const known = providers.get(tenant)
    if (known !== undefined) return known
    if (providers.size >= mostProviders) providers.delete(providers.keys().next().value!)
    const made = parts.store
      .asTenant(tenant, rows => rows.tenantRow())
      .then((row: Tenant | undefined) => {
        if (row === undefined) throw new TypeError(`There is no tenant ${tenant}`)
        return providerForTenant(parts, row)
      })
    providers.set(tenant, made)
    made.catch(() => providers.delete(tenant))
    return made
  }

  async function token(request: IncomingMessage, response: ServerResponse, arrival: OAuthArrival): Promise<void> {
    // The server leaves this to whoever takes the body.
    if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
    // A body that trickles in would hold its connection for ever: this server has no time limit for requests of its own.
    const patience = setTimeout(() => request.destroy(), longestReadMs)
    const read = await readTokenRequest(request, authorizationOf(request.rawHeaders)).finally(() =>
      clearTimeout(patience),
    )
    if (read.kind === 'refused') {
      if (read.status === 405) response.setHeader('allow', 'POST')
      // What is left of a body that nobody will read must not be taken for the next request.
      if (read.status === 413) response.setHeader('connection', 'close')
      return refuse(response, read.status, 'invalid_request', read.description)
    }
    if (read.claimedClient === '') {
      // RFC 6749 section 5.2: no client authentication included.
      response.setHeader('www-authenticate', 'Basic realm="token endpoint"')
      return refuse(response, 401, 'invalid_client', 'authenticate the client by its registered method')
    }
    const standing = failed.standing(read.claimedClient, arrival.ip)
    if (standing.kind === 'closed') {
      response.setHeader('retry-after', String(standing.retryAfterSeconds))
      return refuse(response, 429, 'temporarily_unavailable', 'too many failed attempts; try again later')
    }
    const { provider, attempts } = await providerOf(arrival.tenant)
    const attempt: Attempt = {
      origin: { requestId: arrival.requestId, ...(arrival.ip !== undefined && { ip: arrival.ip }) },
      failed: () => countFailure(arrival, read, attempt),
    }
    const again = replayed(request, read)
    attempts.set(again, attempt)
    await provider.callback()(again, response)
  }

  /** Every failure counts; the log gets the first of a window and the one that closes the door, not a line a guess. */
  async function countFailure(arrival: OAuthArrival, read: TokenRequest, { client, origin }: Attempt): Promise<void> {
    const failures = failed.count(read.claimedClient, arrival.ip)
    if (client === undefined || (failures !== 1 && failures !== mostForClient)) return
    const event = eventOf(parts, undefined, {
      ...subjectOf(client),
      type: 'login.failed',
      outcome: 'denied',
      request_id: origin.requestId,
      ...(origin.ip !== undefined && { ip: origin.ip }),
      facts: { reason: 'invalid_client', client: client.id, failures },
    })
    await parts.store.record(arrival.tenant, { event })
  }

  return async (request, response, arrival) => {
    const path = arrival.url.split('?')[0]
    response.setHeader('cache-control', 'no-store')
    response.setHeader('x-request-id', arrival.requestId)
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'no-referrer')
    if (parts.config.url.startsWith('https:'))
      response.setHeader('strict-transport-security', 'max-age=31536000; includeSubDomains')
    try {
      if (path === '/oauth/token') return await token(request, response, arrival)
      if (path === '/oauth/jwks') return await jwks(parts, request, response, arrival)
      return refuse(response, 404, 'invalid_request', 'there is nothing at this path')
    } catch (error) {
      // The caller went away, or was too slow: nobody is there to be answered.
      if (request.destroyed && !request.complete) return
      parts.log.error('A request to the authorization server failed', { request_id: arrival.requestId, error })
      if (response.headersSent) response.destroy()
      else refuse(response, 503, 'temporarily_unavailable', 'try again')
    }
  }
}

async function jwks(parts: OAuthParts, request: IncomingMessage, response: ServerResponse, arrival: OAuthArrival) {
  if (request.method !== 'GET') {
    response.setHeader('allow', 'GET')
    return refuse(response, 405, 'invalid_request', 'the key set is read by GET')
  }
  // From the signer, not from the library: a key that another node made is then in it.
  const signer = await parts.signers.of(arrival.tenant)
  response.setHeader('cache-control', 'public, max-age=60')
  response.setHeader('access-control-allow-origin', '*')
  send(response, 200, 'application/jwk-set+json', signer.publicJwks())
}

/**
 * The request for the library: the same, its body again at the beginning, its path below the tenant's base URL. Only the
 * headers that mean something at the token endpoint go along, so that nothing else can steer the library.
 */
function replayed(request: IncomingMessage, { body }: TokenRequest): IncomingMessage {
  const again = new IncomingMessage(request.socket)
  again.method = 'POST'
  again.url = '/oauth/token'
  again.httpVersion = request.httpVersion
  again.httpVersionMajor = request.httpVersionMajor
  again.httpVersionMinor = request.httpVersionMinor
  const { authorization } = request.headers
  again.headers = {
    host: 'token-endpoint.invalid',
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
    ...(authorization !== undefined && { authorization }),
  }
  again.complete = true
  again.push(body)
  again.push(null)
  return again
}

/** An error of RFC 6749 section 5.2. */
function refuse(response: ServerResponse, status: number, error: string, description: string): void {
  send(response, status, 'application/json', { error, error_description: description })
}

function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  response.statusCode = status
  response.setHeader('content-type', `${type}; charset=utf-8`)
  response.end(JSON.stringify(body))
}
