import type { IntegrationId, TenantId } from './ids.ts'
import type { Sealed } from './secret.ts'

/** What an operator may set to other values than the entry's: endpoints and where the entry's origins really are. */
export interface Overrides {
  readonly issuer?: string
  readonly authorizationEndpoint?: string
  readonly tokenEndpoint?: string
  readonly revocationEndpoint?: string
  readonly userinfoEndpoint?: string
  /** Entry origin → target origin. Given: hosts of the entry that it does not name are unreachable. */
  readonly origins?: Readonly<Record<string, string>>
}

/** A tenant's OAuth client at a provider. */
export interface Integration {
  readonly id: IntegrationId
  readonly tenant: TenantId
  readonly provider: string
  readonly name: string
  readonly clientId?: string
  readonly sealedClientSecret?: Sealed
  readonly sealedPrivateKey?: Sealed
  readonly scopes: readonly string[]
  readonly parameters: Readonly<Record<string, string>>
  readonly overrides: Overrides
  /** Digest over every destination a credential of this integration may go to; part of each credential's AAD. */
  readonly destinationDigest: string
  readonly createdAt: number
  readonly updatedAt: number
}
