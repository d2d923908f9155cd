import type { AuditEvent } from '@valetkey/contract/events'
import { expect, it } from 'vitest'
import { createCallMetrics, durationBuckets } from './call-metrics.ts'

const event = (more: Partial<AuditEvent>): AuditEvent => ({
  id: 'evt_1',
  time: '2030-01-01T00:00:00.000Z',
  type: 'access.completed',
  outcome: 'ok',
  ...more,
})
const http = { method: 'GET', host: 'api.example', path_template: '/x' }

it('calls are counted by what became of them, once each, with their bytes and durations', () => {
  const metrics = createCallMetrics()
  metrics.count(event({ type: 'access.allowed', outcome: 'allowed', http }))
  metrics.count(event({ http: { ...http, bytes_in: 3, bytes_out: 10, duration_ms: 1 } }))
  metrics.count(event({ outcome: 'error', http: { ...http, bytes_out: 5, duration_ms: 40_000 } }))
  metrics.count(event({ outcome: 'unknown', http: { ...http, duration_ms: 2 } }))
  metrics.count(event({ type: 'access.denied', outcome: 'denied', http }))
  metrics.count(event({ type: 'secret_echo', outcome: 'error' }))
  const { calls, echoes, bytesIn, bytesOut, durations, durationSumMs } = metrics.read()
  expect(calls).toEqual({ ok: 1, error: 1, unknown: 1, denied: 1 })
  expect([echoes, bytesIn, bytesOut, durationSumMs]).toEqual([1, 3, 15, 40_003])
  expect(durations).toHaveLength(durationBuckets.length + 1)
  expect([durations[0], durations[1], durations.at(-1)]).toEqual([1, 1, 1])
})
