import type { AgentId, AppId, ConnectionId, IntegrationId, OperatorId, SessionId, TenantId, UserId } from './ids.ts'
import type { Sealed } from './secret.ts'

export type ConnectStatus = 'open' | 'started' | 'awaiting_completion' | 'completed' | 'failed' | 'expired'
export type ConnectError =
  | 'access_denied'
  | 'provider_error'
  | 'provider_unavailable'
  | 'account_mismatch'
  | 'scopes_refused'
  | 'user_mismatch'
  | 'completion_failed'

/** One attempt of one person to connect one account; 15 minutes, one use (RFC 6749 section 10.12, RFC 9700 section 4.7). */
export interface ConnectSession {
  readonly id: SessionId
  readonly tenant: TenantId
  readonly user: UserId
  readonly integration: IntegrationId
  readonly scopes: readonly string[]
  readonly resourceTypes: readonly string[]
  readonly returnTo?: string
  /** The connection to widen or repair. */
  readonly repairs?: ConnectionId
  readonly createdBy: AppId | OperatorId | AgentId
  readonly status: ConnectStatus
  readonly error?: ConnectError
  /** The pending connection that holds the credential until `complete`. */
  readonly connection?: ConnectionId
  /** SHA-256, base64url, of the secret in `connect_url`. */
  readonly linkHash: string
  /** SHA-256 of the nonce cookie of the browser that pressed continue. */
  readonly browserHash?: string
  /** SHA-256 of `state`; consumed by being cleared. */
  readonly stateHash?: string
  readonly sealedVerifier?: Sealed
  /** OIDC nonce, sealed as the verifier is. */
  readonly sealedNonce?: Sealed
  readonly destinationDigest?: string
  readonly completionHash?: string
  readonly completionFailures: number
  readonly createdAt: number
  readonly expiresAt: number
}
