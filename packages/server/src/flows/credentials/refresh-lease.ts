import type { Credential } from '../../core/connection.ts'

/** Life of a lease. A request ends well within it: its own timeout is 10 s and it may begin up to 15 s after the claim. */
export const leaseMs = 30_000

/** How long a lease must be gone before a refresh that may have been sent is sent again. */
export const doubtMs = 30_000

/**
 * Whether a refresh may begin.
 * - `free`: nobody refreshes this generation. `afterDoubt`: an earlier try may have spent the refresh token unseen.
 * - `busy`: somebody does, until then.
 * - `in_doubt`: somebody did and never said how it ended; the next try is not before `retryAt`.
 */
export type LeaseState =
  | { readonly kind: 'free'; readonly afterDoubt: boolean }
  | { readonly kind: 'busy'; readonly until: number }
  | { readonly kind: 'in_doubt'; readonly retryAt: number }

/**
 * Judges the lease of a credential (P5). A lease that ran out without being given back means that the refresh token may
 * have been spent: with a provider that rotates, sending it again could end the whole family, so it waits until the
 * access token is of no more use and the lease is long gone.
 */
export function judgeLease(
  credential: Pick<Credential, 'generation' | 'leaseHolder' | 'leaseUntil' | 'leaseGeneration' | 'accessExpiresAt'>,
  question: {
    readonly now: number
    /** The access token has expired, or the provider refused it. */
    readonly isDead: boolean
    readonly mayRotate: boolean
  },
): LeaseState {
  const { leaseHolder, leaseUntil, leaseGeneration, generation, accessExpiresAt } = credential
  const { now, isDead, mayRotate } = question
  if (leaseHolder === undefined || leaseUntil === undefined || leaseGeneration !== generation) {
    return { kind: 'free', afterDoubt: false }
  }
  if (now < leaseUntil) return { kind: 'busy', until: leaseUntil }
  if (!mayRotate) return { kind: 'free', afterDoubt: false }
  const gone = leaseUntil + doubtMs
  const isExpired = isDead || (accessExpiresAt !== undefined && now >= accessExpiresAt)
  if (now >= gone && isExpired) return { kind: 'free', afterDoubt: true }
  return { kind: 'in_doubt', retryAt: isExpired ? gone : Math.max(gone, accessExpiresAt ?? gone) }
}
