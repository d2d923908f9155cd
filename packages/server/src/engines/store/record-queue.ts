import type { AuditEvent } from '@valetkey/contract/events'
import { Failure } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import { appendInTransaction, prepare, type Random } from './append.ts'
import { failureOf, isRetryable } from './database-failure.ts'
import type { HeadMac } from './head-mac.ts'
import type { Handle, Kind } from './schema.ts'
import { spend } from './spend.ts'
import type { Entry } from './sqlite-append.ts'
import type { RecordEntry } from './store.ts'

/**
 * Entries that may wait at once, over all tenants; about 10 MB. Above it the log is too slow to act on: we refuse. What
 * tells the end of something that is on the record already may take as many places again: it has happened, and the
 * record of it must not be lost to those who only begin.
 */
export const recordQueueBound = 10_000
/** Entries of one transaction. More would hold row locks longer without saving a measurable part of an fsync. */
const batchBound = 1_000

export interface RecordQueueOptions {
  readonly kind: Kind
  readonly nodeId: string
  readonly random: Random
  readonly headMac?: HeadMac
  readonly bound?: number
  /** One durable transaction of that tenant. */
  readonly transaction: (tenant: TenantId, work: (db: Handle) => Promise<void>) => Promise<void>
  /** A quicker way to the same end; false: nothing was written, and the transaction has to be gone through. */
  readonly appendWhole?: (tenant: TenantId, batch: readonly Entry[]) => Promise<boolean>
}

export interface RecordQueue {
  record(tenant: TenantId, entry: RecordEntry): Promise<'recorded' | 'exhausted'>
  /** Resolves when nothing waits any more; what comes later is refused. */
  close(): Promise<void>
}

interface Waiting extends Entry {
  readonly resolve: (outcome: 'recorded' | 'exhausted') => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: while one transaction of a tenant is on its way to the disk, later entries gather, and all of them share
 * the next. One flush at a time per tenant keeps the order of the stream the order of arrival.
 */
export function recordQueue(options: RecordQueueOptions): RecordQueue {
  const waiting = new Map<TenantId, Waiting[]>()
  const flushing = new Map<TenantId, Promise<void>>()
  const bound = options.bound ?? recordQueueBound
  let count = 0
  let isClosed = false

  async function flushAll(tenant: TenantId): Promise<void> {
    // A turn of the event loop gathers what came in by the same turn; it costs an idle server nothing.
    await new Promise<void>(resolve => setImmediate(resolve))
    for (let queue = waiting.get(tenant); queue !== undefined && queue.length > 0; queue = waiting.get(tenant)) {
      const batch = queue.splice(0, batchBound)
      try {
        const got = await withOneRetry(() => writeBatch(options, tenant, batch))
        count -= batch.length
        batch.forEach((one, at) => {
          one.resolve(got[at] ? 'recorded' : 'exhausted')
        })
      } catch (error) {
        // Whoever waits behind a failed write would only wait for the same failure.
        const failed = [...batch, ...queue.splice(0)]
        count -= failed.length
        const failure = failureOf(error)
        for (const one of failed) one.reject(failure)
      }
    }
    waiting.delete(tenant)
    flushing.delete(tenant)
  }

  return {
    record(tenant, { event, spend: spending }) {
      if (isClosed) return Promise.reject(new Failure('unavailable', 'The server is stopping. Try again.'))
      if (count >= (event.of === undefined ? bound : 2 * bound)) {
        const why = 'Too many events wait for the audit log. Try again.'
        return Promise.reject(new Failure('unavailable', why, { retryAfterSeconds: 1 }))
      }
      return new Promise((resolve, reject) => {
        // A bad event is its sender's fault alone: it never gets into a batch.
        const prepared = prepare(event as AuditEvent, tenant, options.random)
        const queue = waiting.get(tenant)
        const one = { prepared, spending, resolve, reject }
        if (queue) queue.push(one)
        else waiting.set(tenant, [one])
        count++
        if (!flushing.has(tenant)) flushing.set(tenant, flushAll(tenant))
      })
    },
    async close() {
      isClosed = true
      await Promise.all(flushing.values())
    },
  }
}

async function writeBatch(
  options: RecordQueueOptions,
  tenant: TenantId,
  batch: readonly Waiting[],
): Promise<readonly boolean[]> {
  const { kind, nodeId, headMac, appendWhole } = options
  if (appendWhole !== undefined && (await appendWhole(tenant, batch))) return batch.map(() => true)
  let got: readonly boolean[] = []
  await options.transaction(tenant, async db => {
    got = await spend(
      db,
      kind,
      tenant,
      batch.map(one => one.spending),
    )
    const written = batch.filter((_, at) => got[at]).map(one => one.prepared)
    await appendInTransaction(db, kind, tenant, streamOfNode(nodeId), written, headMac)
  })
  return got
}

/** The stream that a node appends to by itself, and nobody else. */
export function streamOfNode(nodeId: string): string {
  return `node:${nodeId}`
}

async function withOneRetry<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (!isRetryable(error)) throw error
    return await write()
  }
}
