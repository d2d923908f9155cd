import type { ProviderEntry } from '../catalogue/provider.ts'

/** What a refresh came to, in the shape in which the OAuth client says it. */
export type RefreshOutcome =
  | { readonly kind: 'tokens' }
  | {
      readonly kind: 'error'
      readonly error: string
      readonly class: 'invalid_grant' | 'invalid_client' | 'transient' | 'other'
    }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unreachable'; readonly why: string; readonly sent: boolean }

/**
 * What follows from it (row 72).
 * - `needs_person`: the owner has to connect again; re-read the credential before judging, another node may have won.
 * - `integration_fault`: the client id or secret is wrong; an operator mends it, the connection is kept.
 * - `retry`: nothing was spent; back off, the old token is served while it is good.
 * - `in_doubt`: a rotating refresh token may have been spent unseen; to send it again while the old access token still
 *   works could end the whole family (P5).
 */
export type RefreshVerdict =
  | { readonly kind: 'renewed' }
  | { readonly kind: 'needs_person'; readonly reason: string }
  | { readonly kind: 'integration_fault'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string }
  | { readonly kind: 'in_doubt'; readonly reason: string }

/** The verdict on a refresh. Only `invalid_grant` and its kin need a person; everything else is tried again. */
export function classifyRefresh(outcome: RefreshOutcome, refresh: ProviderEntry['oauth']['refresh']): RefreshVerdict {
  const mayRotate = refresh !== 'static' && refresh !== 'none'
  switch (outcome.kind) {
    case 'tokens':
      return { kind: 'renewed' }
    case 'error':
      if (outcome.class === 'invalid_grant') return { kind: 'needs_person', reason: outcome.error }
      if (outcome.class === 'invalid_client') return { kind: 'integration_fault', reason: outcome.error }
      return { kind: 'retry', reason: outcome.error }
    case 'refused':
      return { kind: mayRotate ? 'in_doubt' : 'retry', reason: 'answer_refused' }
    case 'unreachable':
      return { kind: outcome.sent && mayRotate ? 'in_doubt' : 'retry', reason: 'unreachable' }
  }
}
