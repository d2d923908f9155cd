import type { ProviderEntry } from './provider.ts'

/**
 * An entry with a tenant's parameters and overrides applied: every URL that a credential may go to. Made by
 * `resolveProvider` and by nothing else.
 */
export interface ResolvedProvider {
  readonly entry: ProviderEntry
  readonly issuer?: string
  /** Whether an absent or wrong `iss` in the authorization response ends the flow (RFC 9207 section 2.4). */
  readonly issParameter: boolean
  readonly authorizationEndpoint?: string
  readonly tokenEndpoint?: string
  readonly revocationEndpoint?: string
  readonly introspectionEndpoint?: string
  readonly userinfoEndpoint?: string
  readonly jwksUri?: string
  /** Every OAuth endpoint of entry and overrides, as target and as entry URL: never proxied. */
  readonly oauthEndpoints: readonly string[]
  readonly origins: readonly ResolvedOrigin[]
  /** Where the account rule's request goes, when the entry has one of source `endpoint`. */
  readonly accountUrl?: string
  /** SHA-256, base64url, over every destination in a canonical order. */
  readonly destinationDigest: string
  /** What is missing before anyone can connect; empty when ready. */
  readonly missing: readonly string[]
}

export interface ResolvedOrigin {
  /** Host of the entry as agents and rules name it, `slack.com`. */
  readonly host: string
  /** Where it really goes: `https://slack.com`, or what `origins` maps it to. */
  readonly target: string
  /** Paths of this product on that host; `['/']` for all. */
  readonly pathPrefixes: readonly string[]
}
