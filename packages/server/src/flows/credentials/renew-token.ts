import type { Caller } from '../../core/caller.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import { Failure } from '../../core/failure.ts'
import type { ConnectionId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import { classifyRefresh } from '../../core/token/classify-refresh.ts'
import { jitterOf, refreshRetryAt } from '../../core/token/freshness.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import type { TokenAnswer } from '../../engines/oauth/oauth.ts'
import type { Store } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { connectionEvent, markNeedsReauth, tellChanged } from './mark-connection.ts'
import { openClient } from './open-client.ts'
import { type OpenCredential, openCredential } from './open-credential.ts'
import { providerOf } from './provider-of.ts'
import { judgeLease, leaseMs } from './refresh-lease.ts'
import { retireSecrets } from './retired-secrets.ts'
import { sendFor } from './send-for.ts'
import { sealTokens } from './store-tokens.ts'
import { wait } from './wait.ts'

export type CredentialParts = Pick<
  Parts,
  | 'store'
  | 'vault'
  | 'oauth'
  | 'egress'
  | 'catalogue'
  | 'revocations'
  | 'now'
  | 'monotonic'
  | 'random'
  | 'log'
  | 'nodeId'
>

export interface Renewable {
  readonly connection: Connection
  readonly integration: Integration
}

/** What came of it. `failed`: nothing was lost, try again at `retryAt`. */
export type Renewal =
  | { readonly kind: 'renewed'; readonly credential: OpenCredential }
  | { readonly kind: 'needs_person'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAt?: number }

export interface RenewalRequest {
  /** The generation that is no longer good enough: any later one answers the request. */
  readonly generation: number
  /** The access token has expired or the provider refused it. */
  readonly isDead: boolean
  /** Somebody asked for it by hand: the wait after failures does not count. */
  readonly isAsked?: boolean
  readonly caller?: Caller
}

/** A claim older than this is not sent any more: what is left of the lease must cover the whole request. */
const oldestClaimMs = 15_000
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

/** Whether a new access token can be had without a person. */
export function isRenewable(connection: Pick<Connection, 'kind'>, credential: Credential): boolean {
  return connection.kind === 'client_credentials' || credential.sealedRefreshToken !== undefined
}

/** A machine's own grant type spends nothing; a refresh token may be spent wherever the entry does not say otherwise. */
export function mayRotate(connection: Pick<Connection, 'kind'>, provider: Pick<ResolvedProvider, 'entry'>): boolean {
  return connection.kind !== 'client_credentials' && provider.entry.oauth.refresh !== 'static'
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

interface Lease {
  readonly holder: string
  /** Monotonic. */
  readonly claimedAt: number
  readonly afterDoubt: boolean
}

async function renewUnderLease(
  parts: CredentialParts,
  of: Renewable,
  row: Credential,
  provider: ResolvedProvider,
  lease: Lease,
  request: RenewalRequest,
): Promise<Renewal> {
  const { connection, integration } = of
  const now = parts.now()
  let answer: TokenAnswer
  let old: OpenCredential
  let mayHaveLeft = false
  try {
    old = await openCredential(parts, connection, integration, row)
    const client = await openClient(parts, integration)
    const beforeSend = () => {
      // A process that was paused since the claim must not send: another node may hold the lease by now.
      if (parts.monotonic() - lease.claimedAt > oldestClaimMs) throw new LeaseTooOld()
      mayHaveLeft = true
    }
    const send = sendFor(parts, connection.tenant)
    answer =
      old.refreshToken === undefined
        ? await parts.oauth.clientCredentials(send, { provider, client, scopes: connection.requestedScopes, now })
        : await parts.oauth.refresh(send, {
            provider,
            client,
            refreshToken: old.refreshToken,
            grantedScopes: connection.scopes,
            now,
            beforeSend,
          })
  } catch (thrown) {
    if (!mayHaveLeft) await giveBack(parts, connection, row, lease, 'not_sent')
    throw thrown
  }
  const verdict = classifyRefresh(answer, mayRotate(connection, provider) ? provider.entry.oauth.refresh : 'static')
  switch (verdict.kind) {
    case 'renewed': {
      const { tokens } = answer as Extract<TokenAnswer, { kind: 'tokens' }>
      return storeRenewed(parts, of, row, old, tokens, lease)
    }
    case 'needs_person':
      return judgeRefusal(parts, of, row, lease, lease.afterDoubt ? 'refresh_in_doubt' : verdict.reason, request)
    case 'in_doubt':
      return leaveInDoubt(parts, connection, row, lease, verdict.reason)
    case 'integration_fault':
      parts.log.error('The provider refuses the OAuth client of an integration; its client id or secret is wrong', {
        tenant: connection.tenant,
        integration: integration.id,
        provider: connection.provider,
        reason: verdict.reason,
      })
      return giveBack(parts, connection, row, lease, verdict.reason)
    case 'retry':
      return giveBack(parts, connection, row, lease, verdict.reason)
  }
}

/** Why a request that waited too long under its lease was not sent. */
class LeaseTooOld extends Error {
  readonly sent = false
  constructor() {
    super('The refresh lease is too old to send under it.')
    this.name = 'LeaseTooOld'
  }
}

/** The answer is sealed and durable before anybody uses it. */
async function storeRenewed(
  parts: CredentialParts,
  of: Renewable,
  row: Credential,
  old: OpenCredential,
  answered: TokenSet,
  lease: Lease,
): Promise<Renewal> {
  const { connection, integration } = of
  const { tenant, id } = connection
  const now = parts.now()
  const refreshToken = answered.refreshToken ?? old.refreshToken
  const tokens = { ...answered, ...(refreshToken !== undefined && { refreshToken }) }
  const generation = row.generation + 1
  const sealed = await sealTokens(parts, connection, integration, tokens, generation, now)
  const next: Credential = { ...sealed, lastRefreshedAt: now }
  const stored = await keepTrying(parts, lease, () =>
    parts.store.change(tenant, async rows => {
      if (!(await rows.credentials.replace(next, row.generation))) return false
      const current = await rows.connections.get(id)
      if (current === undefined || current.status === 'revoked') throw new ConnectionGone()
      const wasLost = current.status === 'needs_reauth' && current.reason !== 'destination_changed'
      const moved = !sameScopes(current.scopes, tokens.scopes)
      const events = [
        connectionEvent(parts, undefined, current, 'connection.refreshed', 'ok', {
          generation,
          rotated: answered.refreshToken !== undefined && answered.refreshToken !== old.refreshToken,
        }),
      ]
      if (wasLost || row.refreshFailures > 0) {
        const facts = { failures: row.refreshFailures }
        events.push(connectionEvent(parts, undefined, current, 'connection.recovered', 'ok', facts))
      }
      if (moved) {
        const facts = { before: current.scopes, after: tokens.scopes }
        events.push(connectionEvent(parts, undefined, current, 'connection.scopes_changed', 'ok', facts))
      }
      if (wasLost || moved) {
        const { reason: _, ...rest } = current
        const kept = wasLost ? { ...rest, status: 'active' as const } : current
        await rows.connections.update({ ...kept, scopes: tokens.scopes, updatedAt: now })
      }
      await rows.audit.append(events)
      return true
    }),
  )
  const before = [old.accessToken, ...(old.refreshToken === undefined ? [] : [old.refreshToken])]
  retireSecrets(parts.store, id, [...before, ...answered.otherSecrets], now)
  tellChanged(parts, tenant, id)
  if (stored) return { kind: 'renewed', credential: { generation, ...tokens } }
  const current = await parts.store.asTenant(tenant, rows => rows.credentials.get(id))
  if (current === undefined || current.generation <= row.generation) {
    await revokeUnkept(parts, of, tokens)
    return { kind: 'needs_person', reason: 'no_credential' }
  }
  return { kind: 'renewed', credential: await openCredential(parts, connection, integration, current) }
}

/** Tokens of a connection that was ended meanwhile: nobody holds them, and nobody else should find them alive. */
async function revokeUnkept(
  parts: CredentialParts,
  { connection, integration }: Renewable,
  tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>,
): Promise<void> {
  try {
    const provider = await providerOf(parts, integration)
    const client = await openClient(parts, integration)
    const send = sendFor(parts, connection.tenant)
    const { accessToken, refreshToken } = tokens
    if (refreshToken !== undefined) {
      await parts.oauth.revoke(send, { provider, client, token: refreshToken, kind: 'refresh_token' })
    }
    await parts.oauth.revoke(send, { provider, client, token: accessToken, kind: 'access_token' })
  } catch (error) {
    parts.log.warn('Tokens of an ended connection could not be revoked', { connection: connection.id, error })
  }
}

/** The connection was ended while the provider answered: what it answered is thrown away. */
class ConnectionGone extends Error {}

/** A provider's answer is worth several tries at our own disk, while the lease keeps others away. */
async function keepTrying(parts: CredentialParts, lease: Lease, write: () => Promise<boolean>): Promise<boolean> {
  for (let pause = 50; ; pause *= 2) {
    try {
      return await write()
    } catch (thrown) {
      if (thrown instanceof ConnectionGone) return false
      if (parts.monotonic() - lease.claimedAt + pause > leaseMs - 2_000) throw thrown
      parts.log.warn('A renewed credential could not be stored; trying again', { error: thrown })
      await wait(pause)
    }
  }
}

function sameScopes(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size
}

/** `invalid_grant` and its kin: unless somebody else has renewed meanwhile, the owner has to connect again. */
async function judgeRefusal(
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
async function giveBack(
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
async function leaveInDoubt(
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

/** A renewal that came to nothing, as the caller of the API hears of it. */
export function failureOf(renewal: Exclude<Renewal, { kind: 'renewed' }>, now: number): Failure {
  if (renewal.kind === 'needs_person') {
    return new Failure(
      'needs_reauth',
      `The account has to be connected again (${renewal.reason}). Ask its owner to connect it again.`,
    )
  }
  const seconds = renewal.retryAt === undefined ? 2 : Math.ceil((renewal.retryAt - now) / 1000)
  return new Failure('refresh_failed', `The access token has expired and could not be renewed (${renewal.reason}).`, {
    retryAfterSeconds: Math.min(Math.max(1, seconds), 3_600),
  })
}
