import type { Caller } from '../../core/caller.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import { Failure } from '../../core/failure.ts'
import type { Integration } from '../../core/integration.ts'
import type { Parts } from '../../parts.ts'
import type { OpenCredential } from './open-credential.ts'

/** What credentials are used and renewed with. */
export type CredentialParts = Pick<
  Parts,
  | 'store'
  | 'vault'
  | 'oauth'
  | 'egress'
  | 'catalogue'
  | 'revocations'
  | 'now'
  | 'monotonic'
  | 'random'
  | 'log'
  | 'nodeId'
>

export interface Renewable {
  readonly connection: Connection
  readonly integration: Integration
}

/** What came of it. `failed`: nothing was lost, try again at `retryAt`. */
export type Renewal =
  | { readonly kind: 'renewed'; readonly credential: OpenCredential }
  | { readonly kind: 'needs_person'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAt?: number }

export interface RenewalRequest {
  /** The generation that is no longer good enough: any later one answers the request. */
  readonly generation: number
  /** The access token has expired or the provider refused it. */
  readonly isDead: boolean
  /** Somebody asked for it by hand: the wait after failures does not count. */
  readonly isAsked?: boolean
  readonly caller?: Caller
}

/** A lease that is held: by whom, since when by the monotonic clock, and what the try before it left. */
export interface Lease {
  readonly holder: string
  /** Monotonic. */
  readonly claimedAt: number
  readonly afterDoubt: boolean
}

/** Whether a new access token can be had without a person. */
export function isRenewable(connection: Pick<Connection, 'kind'>, credential: Credential): boolean {
  return connection.kind === 'client_credentials' || credential.sealedRefreshToken !== undefined
}

/** A machine's own grant type spends nothing; a refresh token may be spent wherever the entry does not say otherwise. */
export function mayRotate(connection: Pick<Connection, 'kind'>, provider: Pick<ResolvedProvider, 'entry'>): boolean {
  return connection.kind !== 'client_credentials' && provider.entry.oauth.refresh !== 'static'
}

/** A renewal that came to nothing, as the caller of the API hears of it. */
export function failureOf(renewal: Exclude<Renewal, { kind: 'renewed' }>, now: number): Failure {
  if (renewal.kind === 'needs_person') {
    return new Failure(
      'needs_reauth',
      `The account has to be connected again (${renewal.reason}). Ask its owner to connect it again.`,
    )
  }
  const seconds = renewal.retryAt === undefined ? 2 : Math.ceil((renewal.retryAt - now) / 1000)
  return new Failure('refresh_failed', `The access token has expired and could not be renewed (${renewal.reason}).`, {
    retryAfterSeconds: Math.min(Math.max(1, seconds), 3_600),
  })
}
