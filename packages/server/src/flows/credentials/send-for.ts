import type { TenantId } from '../../core/ids.ts'
import type { Send } from '../../engines/oauth/oauth.ts'
import type { Parts } from '../../parts.ts'

/** Shorter than the refresh lease less what `beforeSend` allows it to be old, so that an answer comes within the lease. */
export const exchangeTimeoutMs = 10_000

/** A token answer is some kilobytes; whatever is larger is not one (row 70). */
const largestAnswerBytes = 64 * 1024

/**
 * The function by which the OAuth client reaches a provider: through the one door out, for this tenant, capped in time
 * and size. It rejects with `EgressFailure`, whose `kind` and `sent` the OAuth client reads.
 */
export function sendFor(parts: Pick<Parts, 'egress'>, tenant: TenantId): Send {
  return ({ method, url, headers, body, beforeSend }) =>
    parts.egress.exchange(tenant, {
      method,
      url,
      headers,
      ...(body !== undefined && { body }),
      ...(beforeSend !== undefined && { beforeSend }),
      timeoutMs: exchangeTimeoutMs,
      maxBytes: largestAnswerBytes,
    })
}
