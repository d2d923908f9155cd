import type { AuditEvent } from '@valetkey/contract/events'

/** Upper ends of the buckets of durations, in milliseconds; one more takes the rest. */
export const durationBuckets = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000] as const

/** What has become of calls. A closed list: labels hold no user, connection, path or provider (CONTRACT 4). */
export const callOutcomes = ['ok', 'error', 'unknown', 'denied'] as const
export type CallOutcome = (typeof callOutcomes)[number]

/** Counts of brokered calls since the start of this process, fed by the events that go on record. */
export interface CallMetrics {
  count(event: AuditEvent): void
  read(): CallCounts
}

export interface CallCounts {
  readonly calls: Readonly<Record<CallOutcome, number>>
  readonly echoes: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Calls of each bucket of `durationBuckets` and beyond, not added up. */
  readonly durations: readonly number[]
  readonly durationSumMs: number
}

export function createCallMetrics(): CallMetrics {
  const calls = new Float64Array(callOutcomes.length)
  const durations = new Float64Array(durationBuckets.length + 1)
  let echoes = 0
  let bytesIn = 0
  let bytesOut = 0
  let durationSumMs = 0
  return {
    count({ type, outcome, http }) {
      if (type === 'secret_echo') echoes++
      if (type === 'access.denied') calls[callOutcomes.indexOf('denied')]!++
      if (type !== 'access.completed') return
      const at = callOutcomes.indexOf(outcome as CallOutcome)
      if (at !== -1) calls[at]!++
      bytesIn += http?.bytes_in ?? 0
      bytesOut += http?.bytes_out ?? 0
      const ms = http?.duration_ms ?? 0
      durationSumMs += ms
      let bucket = 0
      while (bucket < durationBuckets.length && ms > durationBuckets[bucket]!) bucket++
      durations[bucket]!++
    },
    read() {
      const counted = callOutcomes.map((name, at) => [name, calls[at]!] as const)
      return {
        calls: Object.fromEntries(counted) as Record<CallOutcome, number>,
        echoes,
        bytesIn,
        bytesOut,
        durations: [...durations],
        durationSumMs,
      }
    },
  }
}
