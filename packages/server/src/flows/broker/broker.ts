import type { TenantId } from '../../core/ids.ts'
import { settleRenewals } from '../credentials/renew-token.ts'
import type { BrokerParts } from './broker-parts.ts'
import { createFactsMemory, type FactsMemory } from './call-facts.ts'
import { type CallMetrics, createCallMetrics } from './call-metrics.ts'
import { type CallRoom, createCallRoom } from './call-room.ts'
import { createFirstUses, type FirstUses } from './first-uses.ts'
import { createLastUsed, type LastUsed } from './last-used.ts'
import { createSecretsMemory, type SecretsMemory } from './live-secrets.ts'
import { createStreamRegistry, type StreamRegistry } from './stream-registry.ts'
import { createTokenDoubts, type TokenDoubts } from './token-doubts.ts'
import { watchStreams } from './watch-streams.ts'

/** What brokered calls share in one process: memories that are kept true, and every call in progress. */
export interface Broker {
  readonly facts: FactsMemory
  readonly secrets: SecretsMemory
  readonly streams: StreamRegistry
  readonly room: CallRoom
  readonly lastUsed: LastUsed
  readonly doubts: TokenDoubts
  readonly firstUses: FirstUses
  readonly metrics: CallMetrics
  /** Lets work go on after its caller was answered; `drain` waits for it. A failure of it is logged. */
  after(work: Promise<unknown>, what: string, about: { readonly tenant: TenantId }): void
  /** Waits for outcome records, renewals and what else follows an answer. Before the store closes. */
  drain(): Promise<void>
  close(): void
}

export function createBroker(parts: BrokerParts): Broker {
  const facts = createFactsMemory(parts)
  const secrets = createSecretsMemory(parts)
  const streams = createStreamRegistry(parts)
  const watch = watchStreams(parts, streams)
  const lastUsed = createLastUsed(parts)
  const doubts = createTokenDoubts(parts)
  const pending = new Set<Promise<unknown>>()
  return {
    facts,
    secrets,
    streams,
    room: createCallRoom(),
    lastUsed,
    doubts,
    firstUses: createFirstUses(),
    metrics: createCallMetrics(),
    after(work, what, about) {
      const settled = work
        .catch((error: unknown) => parts.log.error(what, { ...about, error }))
        .finally(() => pending.delete(settled))
      pending.add(settled)
    },
    async drain() {
      while (pending.size > 0) await Promise.all(pending)
      await settleRenewals(parts)
      await lastUsed.flush()
    },
    close() {
      watch.stop()
      streams.close()
      facts.close()
      secrets.close()
      lastUsed.close()
    },
  }
}
