import type { Connection, Credential } from '../../core/connection.ts'
import { jitterOf, refreshRetryAt } from '../../core/token/freshness.ts'
import { connectionEvent, markNeedsReauth, tellChanged } from './mark-connection.ts'
import { openCredential } from './open-credential.ts'
import { judgeLease } from './refresh-lease.ts'
import type { CredentialParts, Lease, Renewable, Renewal, RenewalRequest } from './renewal.ts'

/** `invalid_grant` and its kin: unless somebody else has renewed meanwhile, the owner has to connect again. */
export async function judgeRefusal(
  parts: CredentialParts,
  of: Renewable,
  row: Credential,
  lease: Lease,
  reason: string,
  request: RenewalRequest,
): Promise<Renewal> {
  const { connection, integration } = of
  const { tenant, id } = connection
  const newer = await parts.store.change(tenant, async rows => {
    const current = await rows.credentials.get(id)
    if (current !== undefined && current.generation > row.generation) return current
    await rows.credentials.releaseLease({ connection: id, holder: lease.holder, failures: row.refreshFailures + 1 })
    await markNeedsReauth(parts, rows, id, reason, request.caller)
    return undefined
  })
  tellChanged(parts, tenant, id)
  if (newer === undefined) return { kind: 'needs_person', reason }
  return { kind: 'renewed', credential: await openCredential(parts, connection, integration, newer) }
}

/** Nothing was spent: the lease goes back, and the next try waits longer. */
export async function giveBack(
  parts: CredentialParts,
  connection: Connection,
  row: Credential,
  lease: Lease,
  reason: string,
): Promise<Renewal> {
  const now = parts.now()
  const failures = row.refreshFailures + 1
  const retryAt = refreshRetryAt({
    failures,
    jitter: jitterOf(`${connection.id} ${failures}`),
    now,
    ...(row.accessExpiresAt !== undefined && { accessExpiresAt: row.accessExpiresAt }),
  })
  await parts.store.change(connection.tenant, async rows => {
    await rows.credentials.releaseLease({ connection: connection.id, holder: lease.holder, failures, retryAt })
    await rows.audit.append([
      connectionEvent(parts, undefined, connection, 'connection.refresh_failed', 'error', { reason, failures }),
    ])
  })
  tellChanged(parts, connection.tenant, connection.id)
  return { kind: 'failed', reason, retryAt }
}

/**
 * The request may have been heard and its answer is lost. The lease stays on the row, ended as of now, as the mark of
 * it: `judgeLease` lets nobody send this refresh token again before the old access token is of no more use.
 */
export async function leaveInDoubt(
  parts: CredentialParts,
  connection: Connection,
  row: Credential,
  lease: Lease,
  reason: string,
): Promise<Renewal> {
  const now = parts.now()
  const { id, tenant } = connection
  await parts.store.change(tenant, async rows => {
    await rows.credentials.claimLease({
      connection: id,
      generation: row.generation,
      holder: lease.holder,
      now,
      until: now,
    })
    await rows.audit.append([
      connectionEvent(parts, undefined, connection, 'connection.refresh_failed', 'unknown', {
        reason: 'in_doubt',
        cause: reason,
      }),
    ])
  })
  tellChanged(parts, tenant, id)
  const judged = judgeLease(
    { ...row, leaseHolder: lease.holder, leaseUntil: now, leaseGeneration: row.generation },
    { now, isDead: false, mayRotate: true },
  )
  return { kind: 'failed', reason: 'in_doubt', ...(judged.kind === 'in_doubt' && { retryAt: judged.retryAt }) }
}
