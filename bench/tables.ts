import { type Measure, measures } from './measure.ts'
import type { BenchResult } from './run-bench.ts'
import { median } from './statistics.ts'
import { titles } from './targets.ts'

type Rows = readonly (readonly string[])[]

/** The measures with their goals. */
export function measureRows(result: Pick<BenchResult, 'measures'>): Rows {
  return [
    ['id', 'measure', 'value', 'goal', 'beside'],
    ...result.measures.map(one => {
      const known = measures.find(({ id }) => id === one.id)!
      return [one.id, known.title, `${one.value} ${one.unit}`, goalOf(one, known), String(one.baseline)]
    }),
  ]
}

function goalOf({ goal, ok }: Measure, known: object): string {
  if (goal === undefined) return ''
  return `${'isAtLeast' in known ? '≥' : '≤'} ${goal} ${ok === true ? 'met' : 'missed'}`
}

/** One table for each workload: what every target did. */
export function workloadTables(
  result: Pick<BenchResult, 'workloads'>,
): { readonly title: string; readonly rows: Rows }[] {
  return result.workloads.map(({ workload, figures }) => {
    const isStream = workload.id === 'stream_50mb'
    const rows = [...figures].map(([name, one]) => [
      titles[name],
      name === 'direct' ? '' : show(median(one.cpuMicroseconds)),
      show(median(one.perSecond)),
      show(median(one.p50Ms)),
      show(median(one.p99Ms)),
      ...(isStream ? [show(median(one.addedBytes) / 1e6)] : []),
    ])
    const names = [
      'target',
      'CPU µs a request',
      'requests/s',
      'p50 ms',
      'p99 ms',
      ...(isStream ? ['memory added MB'] : []),
    ]
    return { title: workload.title, rows: [names, ...rows] }
  })
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

/** For a terminal: columns as wide as they need to be. */
export function asText(rows: Rows): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function asMarkdown([names = [], ...rows]: Rows): string {
  return [names, names.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}
