import type { Config } from './config.ts'
import type { Revocations } from './core/revocations.ts'
import type { Catalogue } from './engines/catalogue/load-catalogue.ts'
import type { Egress } from './engines/egress/egress.ts'
import type { OAuthClient } from './engines/oauth/oauth.ts'
import type { Store } from './engines/store/store.ts'
import type { Vault } from './engines/vault/vault.ts'
import type { Signers } from './flows/agents/open-signers.ts'
import type { Log } from './log.ts'

/** What flows are made of. `system.ts` builds it once from the bottom up; a flow names the parts it uses by `Pick`. */
export interface Parts {
  readonly config: Config
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds that only move forward; for ages of leases. */
  readonly monotonic: () => number
  readonly random: (bytes: number) => Buffer
  readonly store: Store
  readonly vault: Vault
  /** Signs and verifies our own access tokens, tenant by tenant. */
  readonly signers: Signers
  readonly egress: Egress
  readonly oauth: OAuthClient
  readonly catalogue: Catalogue
  readonly revocations: Revocations
  readonly log: Log
  /** Names this process among others, in leases and audit streams. */
  readonly nodeId: string
}
