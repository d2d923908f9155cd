import { type CallCounts, callOutcomes, durationBuckets } from '../../flows/broker/call-metrics.ts'

/** The text of `/metrics` (Prometheus exposition format 0.0.4). No label names a user, a connection or a path. */
export function metricsText(
  counts: CallCounts,
  process: { readonly residentBytes: number; readonly uptimeSeconds: number },
): string {
  const lines: string[] = []
  const metric = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string, samples: readonly string[]) => {
    lines.push(
      `# HELP valetkey_${name} ${help}`,
      `# TYPE valetkey_${name} ${type}`,
      ...samples.map(sample => `valetkey_${name}${sample}`),
    )
  }
  metric(
    'calls_total',
    'counter',
    'Brokered calls by what became of them.',
    callOutcomes.map(outcome => `{outcome="${outcome}"} ${counts.calls[outcome]}`),
  )
  metric('secret_echoes_total', 'counter', 'Answers in which a secret was masked.', [` ${counts.echoes}`])
  metric('request_bytes_total', 'counter', 'Bytes of request bodies.', [` ${counts.bytesIn}`])
  metric('answer_bytes_total', 'counter', 'Bytes of answer bodies.', [` ${counts.bytesOut}`])
  let sofar = 0
  const buckets = counts.durations.map((count, at) => {
    sofar += count
    const end = durationBuckets[at]
    return `_bucket{le="${end === undefined ? '+Inf' : end / 1000}"} ${sofar}`
  })
  metric('call_duration_seconds', 'histogram', 'From the decision to the end of the answer.', [
    ...buckets,
    `_sum ${counts.durationSumMs / 1000}`,
    `_count ${sofar}`,
  ])
  metric('resident_bytes', 'gauge', 'Memory of the process.', [` ${process.residentBytes}`])
  metric('uptime_seconds', 'gauge', 'Since the start of the process.', [` ${process.uptimeSeconds}`])
  return `${lines.join('\n')}\n`
}
