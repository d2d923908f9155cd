import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import type { ConnectionId } from '../../core/ids.ts'
import type { Store } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { markNeedsReauth, tellChanged } from './mark-connection.ts'
import { openCredential } from './open-credential.ts'
import { providerOf } from './provider-of.ts'
import { judgeLease, leaseMs } from './refresh-lease.ts'
import { renewUnderLease } from './renew-under-lease.ts'
import {
  type CredentialParts,
  isRenewable,
  mayRotate,
  type Renewable,
  type Renewal,
  type RenewalRequest,
} from './renewal.ts'
import { wait } from './wait.ts'

/** How long a caller waits for a renewal that runs elsewhere. */
const patienceMs = 10_000
const pollMs = 100

/** Renewals under way in this process, by store: all callers of one connection share one. */
const flights = new WeakMap<
  Store,
  Map<ConnectionId, { readonly generation: number; readonly renewal: Promise<Renewal> }>
>()

/**
 * Renews the credential of a connection: once, however many callers, processes and nodes ask (P5). In this process they
 * share a promise, elsewhere a lease in the row fences them, and the answer is stored by compare-and-swap of the
 * generation before anybody uses it.
 */
export async function renewToken(parts: CredentialParts, of: Renewable, request: RenewalRequest): Promise<Renewal> {
  const mine = flights.get(parts.store) ?? new Map()
  flights.set(parts.store, mine)
  const { id } = of.connection
  for (let under = mine.get(id); under !== undefined; under = mine.get(id)) {
    const renewal = await under.renewal
    if (renewal.kind !== 'renewed' || renewal.credential.generation > request.generation) return renewal
  }
  const renewal = renewUnshared(parts, of, request).finally(() => {
    if (mine.get(id)?.renewal === renewal) mine.delete(id)
  })
  mine.set(id, { generation: request.generation, renewal })
  return renewal
}

/** Resolves when no renewal is under way: before the store closes, so that no answer of a provider is lost. */
export async function settleRenewals(parts: Pick<Parts, 'store'>): Promise<void> {
  const mine = flights.get(parts.store)
  while (mine !== undefined && mine.size > 0) {
    await Promise.allSettled([...mine.values()].map(flight => flight.renewal))
  }
}

async function renewUnshared(parts: CredentialParts, of: Renewable, request: RenewalRequest): Promise<Renewal> {
  const { connection, integration } = of
  const { tenant, id } = connection
  const startedAt = parts.monotonic()
  let provider: ResolvedProvider | undefined
  for (;;) {
    const row = await parts.store.asTenant(tenant, rows => rows.credentials.get(id))
    if (row === undefined) return { kind: 'needs_person', reason: 'no_credential' }
    if (row.destinationDigest !== integration.destinationDigest) {
      return { kind: 'needs_person', reason: 'destination_changed' }
    }
    if (row.generation > request.generation) {
      return { kind: 'renewed', credential: await openCredential(parts, connection, integration, row) }
    }
    if (!isRenewable(connection, row)) return endUnrenewable(parts, connection, row, request)
    const now = parts.now()
    if (request.isAsked !== true && row.refreshRetryAt !== undefined && row.refreshRetryAt > now) {
      return { kind: 'failed', reason: 'backing_off', retryAt: row.refreshRetryAt }
    }
    provider ??= await providerOf(parts, integration)
    const rule = { now, isDead: request.isDead, mayRotate: mayRotate(connection, provider) }
    const state = judgeLease(row, rule)
    if (state.kind === 'in_doubt') return { kind: 'failed', reason: 'in_doubt', retryAt: state.retryAt }
    if (state.kind === 'free') {
      const claimedAt = parts.monotonic()
      const holder = `${parts.nodeId}.${parts.random(8).toString('hex')}`
      const claim = { connection: id, generation: row.generation, holder, now, until: now + leaseMs }
      const isMine = await parts.store.change(tenant, async rows => {
        const again = await rows.credentials.get(id)
        if (again === undefined || judgeLease(again, rule).kind !== 'free') return false
        return rows.credentials.claimLease(claim)
      })
      if (isMine) {
        const lease = { holder, claimedAt, afterDoubt: state.afterDoubt }
        return renewUnderLease(parts, of, row, provider, lease, request)
      }
    }
    if (parts.monotonic() - startedAt >= patienceMs) {
      return { kind: 'failed', reason: 'busy', retryAt: parts.now() + 1_000 }
    }
    await wait(pollMs)
  }
}

async function endUnrenewable(
  parts: CredentialParts,
  connection: Connection,
  row: Credential,
  request: RenewalRequest,
): Promise<Renewal> {
  const isOver = row.accessExpiresAt !== undefined && parts.now() >= row.accessExpiresAt
  const reason = isOver ? 'expired' : 'not_renewable'
  if (isOver) {
    await parts.store.change(connection.tenant, rows =>
      markNeedsReauth(parts, rows, connection.id, reason, request.caller),
    )
    tellChanged(parts, connection.tenant, connection.id)
  }
  return { kind: 'needs_person', reason }
}
