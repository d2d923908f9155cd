import type { Client } from '../../core/client.ts'
import { baseUrlOf, type Tenant } from '../../core/tenant.ts'
import type { Parts } from '../../parts.ts'
import { type IssuedToken, issueToken, lifetimeOf, type Origin, type TokenParts } from './issue-token.ts'

export interface ClientTokenRequest {
  /** RFC 8707. None is the tenant's base URL. */
  readonly resource?: string
  /** Space-separated. None is all that the client has. */
  readonly scope?: string
}

/** The token, or why there is none in the words of RFC 6749 section 5.2 and RFC 8707 section 2. */
export type ClientTokenAnswer =
  | { readonly kind: 'issued'; readonly token: IssuedToken }
  | { readonly kind: 'refused'; readonly error: 'invalid_target' | 'invalid_scope'; readonly description: string }

/**
 * Client credentials (RFC 6749 section 4.4): a token without a user, for a client that has proved who it is. What is not
 * the client's is refused, never silently left out (row 97).
 */
export async function issueClientToken(
  parts: TokenParts & Pick<Parts, 'store'>,
  tenant: Tenant,
  client: Client,
  request: ClientTokenRequest,
  origin: Origin,
): Promise<ClientTokenAnswer> {
  const baseUrl = baseUrlOf(tenant, parts.config.url)
  const audience = request.resource ?? baseUrl
  if (audience !== baseUrl && audience !== `${baseUrl}/mcp`) {
    return {
      kind: 'refused',
      error: 'invalid_target',
      description: `resource must be ${baseUrl} or ${baseUrl}/mcp`,
    }
  }
  const scopes = request.scope === undefined ? client.scopes : [...new Set(request.scope.split(' '))]
  const foreign = scopes.filter(scope => !client.scopes.includes(scope))
  if (foreign.length > 0) {
    return {
      kind: 'refused',
      error: 'invalid_scope',
      description: `this client may ask for: ${client.scopes.join(' ')}`,
    }
  }
  const token = await issueToken(
    parts,
    { tenant, client, audience, scopes, lifetimeSeconds: lifetimeOf(client) },
    origin,
    event => parts.store.record(tenant.id, { event }),
  )
  return { kind: 'issued', token }
}
