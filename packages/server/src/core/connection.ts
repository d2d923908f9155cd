import type { ConnectionId, IntegrationId, TenantId, UserId } from './ids.ts'
import type { Sealed } from './secret.ts'

export type ConnectionStatus = 'pending' | 'active' | 'needs_reauth' | 'error' | 'revoked' | 'disabled'

/** One owner's authorised account at one integration with one scope set. */
export interface Connection {
  readonly id: ConnectionId
  readonly tenant: TenantId
  /** Machine connections have no user. */
  readonly user?: UserId
  readonly integration: IntegrationId
  readonly provider: string
  readonly status: ConnectionStatus
  readonly reason?: string
  readonly accountId?: string
  readonly accountLabel?: string
  /** Granted by the provider. */
  readonly scopes: readonly string[]
  /** Asked for at the connect session. */
  readonly requestedScopes: readonly string[]
  readonly kind: 'oauth2' | 'client_credentials' | 'static'
  readonly createdAt: number
  readonly updatedAt: number
  readonly lastUsedAt?: number
}

/** The sealed material of a connection: one row per connection, moved on only by compare-and-swap of `generation`. */
export interface Credential {
  readonly connection: ConnectionId
  readonly generation: number
  readonly sealedAccessToken: Sealed
  readonly sealedRefreshToken?: Sealed
  readonly destinationDigest: string
  /** Milliseconds; absent is unknown, never eternal. */
  readonly accessExpiresAt?: number
  readonly obtainedAt: number
  readonly lastRefreshedAt?: number
  /** Failures of refresh in a row while the access token was still good, and when to try again. */
  readonly refreshFailures: number
  readonly refreshRetryAt?: number
  /** Who refreshes now: holder and end of the lease in milliseconds, fenced by the generation it was taken for. */
  readonly leaseHolder?: string
  readonly leaseUntil?: number
  readonly leaseGeneration?: number
}
