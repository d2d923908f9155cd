import { hash } from 'node:crypto'

/**
 * How good an access token is at one moment.
 * - `usable`: serve it; the refresh is due at `refreshAt`, if ever.
 * - `due`: serve it and refresh beside; a failure of that refresh harms nobody (P5).
 * - `backing_off`: serve it; the last refresh failed and the next is not before `retryAt`.
 * - `unknown_expiry`: serve it until the provider says 401, then refresh once (row 71).
 * - `expired`: do not serve it. Refresh first, not before `retryAt` if that is given.
 */
export type Freshness =
  | { readonly kind: 'usable'; readonly refreshAt?: number }
  | { readonly kind: 'due' }
  | { readonly kind: 'backing_off'; readonly retryAt: number }
  | { readonly kind: 'unknown_expiry' }
  | { readonly kind: 'expired'; readonly retryAt?: number }

export interface FreshnessInput {
  /** Milliseconds, like all times here. Absent is unknown, never eternal. */
  readonly accessExpiresAt?: number
  /** When this access token was obtained: the last refresh, else the first redemption. */
  readonly obtainedAt: number
  /** The entry's lifetime, used when the provider did not say. */
  readonly lifetimeSeconds?: number
  /** Whether a refresh is possible at all (a refresh token, or a grant of our own as with client credentials). */
  readonly isRenewable: boolean
  readonly refreshRetryAt?: number
  /** In [0, 1), the same at every call for one connection: see `jitterOf`. */
  readonly jitter: number
  readonly now: number
}

const fiveMinutesMs = 300_000

/** State of a credential at `now`. Pure; the caller's clock decides. */
export function freshness(input: FreshnessInput): Freshness {
  const expiresAt = expiryOf(input)
  const { now, refreshRetryAt } = input
  const backsOff = refreshRetryAt !== undefined && refreshRetryAt > now
  if (expiresAt === undefined) return { kind: 'unknown_expiry' }
  if (now >= expiresAt) return { kind: 'expired', ...(backsOff && { retryAt: refreshRetryAt }) }
  if (!input.isRenewable) return { kind: 'usable' }
  const refreshAt = refreshDueAt(expiresAt, input.obtainedAt, input.jitter)
  if (now < refreshAt) return { kind: 'usable', refreshAt }
  return backsOff ? { kind: 'backing_off', retryAt: refreshRetryAt } : { kind: 'due' }
}

function expiryOf(input: FreshnessInput): number | undefined {
  if (input.accessExpiresAt !== undefined) return input.accessExpiresAt
  return input.lifetimeSeconds === undefined ? undefined : input.obtainedAt + input.lifetimeSeconds * 1000
}

/**
 * When to refresh: early by min(10 % of the life, 5 min), drawn in by up to half of that so that connections made
 * together are not renewed together. A fixed margin would renew a short token on every call.
 */
export function refreshDueAt(expiresAt: number, obtainedAt: number, jitter: number): number {
  const early = Math.min(Math.max(0, expiresAt - obtainedAt) / 10, fiveMinutesMs)
  return Math.floor(expiresAt - early * (1 - clampJitter(jitter) / 2))
}

/**
 * When to try again after `failures` failures in a row (at least 1): 2 s, doubling to 60 s, spread by a quarter. A token
 * that is still good gets one try at its end, so that a long wait never outlives it.
 */
export function refreshRetryAt(schedule: {
  readonly failures: number
  readonly jitter: number
  readonly now: number
  readonly accessExpiresAt?: number
}): number {
  const { failures, jitter, now, accessExpiresAt } = schedule
  const exponent = Math.min(Math.max(0, failures - 1), 5)
  const wait = Math.min(2_000 * 2 ** exponent, 60_000) * (0.75 + clampJitter(jitter) / 2)
  const retryAt = Math.ceil(now + wait)
  if (accessExpiresAt === undefined || accessExpiresAt <= now) return retryAt
  return Math.max(now + 1_000, Math.min(retryAt, accessExpiresAt))
}

/** A fraction in [0, 1) that is the same for one id on every node and in every process. */
export function jitterOf(id: string): number {
  return Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) / 2 ** 32
}

function clampJitter(jitter: number): number {
  return jitter >= 0 && jitter < 1 ? jitter : 0.5
}
