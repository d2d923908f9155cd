import type { Secret } from '../secret.ts'

/** A token answer in one form, whatever the provider called its parts (RFC 6749 section 5.1). */
export interface TokenSet {
  readonly accessToken: Secret
  readonly refreshToken?: Secret
  /** Milliseconds; absent is unknown, never eternal. */
  readonly expiresAt?: number
  /** What the provider granted; equal to what was asked when it did not say (RFC 6749 section 5.1). */
  readonly scopes: readonly string[]
  readonly idTokenClaims?: Readonly<Record<string, unknown>>
  /** Members of the answer that are no secrets, for account identity by pointer. Bounded in size and depth. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Every text in the answer that may be a secret: needles for the scrub. */
  readonly otherSecrets: readonly Secret[]
}
