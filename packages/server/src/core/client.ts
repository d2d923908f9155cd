import type { ClientId, TenantId, UserId } from './ids.ts'

export type AuthenticationMethod = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'

/** A program that speaks to us with OAuth: an agent acts, an app is a tenant's back end, an operator runs the place. */
export interface Client {
  readonly id: ClientId
  readonly tenant: TenantId
  readonly kind: 'agent' | 'app' | 'operator'
  readonly name: string
  readonly description?: string
  readonly authenticationMethod: AuthenticationMethod
  /** SHA-256 of each live 256-bit secret, base64url (`flows/agents/client-secret.ts`); the secrets are never stored. */
  readonly secretHash?: string
  /** Public keys for `private_key_jwt` (RFC 7517). */
  readonly jwks?: { readonly keys: readonly Record<string, unknown>[] }
  readonly scopes: readonly string[]
  readonly redirectUris: readonly string[]
  readonly returnToUrls: readonly string[]
  /** An agent that belongs to one user. */
  readonly user?: UserId
  /** The widest that any grant to this agent may be. */
  readonly ceiling?: readonly string[]
  readonly createdAt: number
  readonly updatedAt: number
  readonly disabledAt?: number
  /** Keyed MAC over everything that authenticates (`clientTuple`). */
  readonly mac: string
}

/** The members that the MAC covers, in a fixed order. */
export function clientTuple(client: Omit<Client, 'mac'>): (string | number | undefined)[] {
  return [
    'client/1',
    client.tenant,
    client.id,
    client.kind,
    client.authenticationMethod,
    client.secretHash,
    client.jwks === undefined ? undefined : JSON.stringify(client.jwks),
    JSON.stringify(client.scopes),
    JSON.stringify(client.redirectUris),
    JSON.stringify(client.returnToUrls),
    client.user,
    client.ceiling === undefined ? undefined : JSON.stringify(client.ceiling),
    client.createdAt,
    client.disabledAt,
  ]
}

/** Our own scopes that an agent has unless said otherwise (CONTRACT 5). */
export const agentScopes = [
  'providers:read',
  'connections:read',
  'connections:use',
  'grants:read',
  'access:request',
  'approvals:read',
] as const

/** Our own scopes that an app may be given (CONTRACT 4). */
export const appScopes = [
  'providers:read',
  'integrations:read',
  'integrations:write',
  'users:read',
  'users:write',
  'connections:read',
  'connections:write',
  'grants:read',
  'grants:write',
  'tasks:write',
  'webhooks:write',
] as const

/** An operator may do all that an app may, and run the place; it never uses a connection. */
export const operatorScopes = [
  ...appScopes,
  'audit:read',
  'integrations:admin',
  'clients:read',
  'clients:write',
  'drift:read',
  'revoke',
  'policy:write',
] as const
