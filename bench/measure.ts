/** One figure that the project is judged by. */
export interface Measure {
  readonly id: string
  readonly value: number
  readonly unit: string
  /** What it is compared with: the other side of a ratio in its own unit, or the part that is not ours. */
  readonly baseline: number
  readonly goal?: number
  readonly ok?: boolean
}

interface Known {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly goal?: number
  /** For most, less is better. */
  readonly isAtLeast?: true
}

/** Every measure, in the order of the table. */
export const measures = [
  { id: 'cpu_vs_bare', title: 'CPU per request ÷ bare undici pass-through, 1 KB GET', unit: '×', goal: 1.1 },
  { id: 'cpu_vs_nginx', title: 'CPU per request ÷ nginx `proxy_pass`, 1 KB GET', unit: '×', goal: 3 },
  { id: 'axios_vs_ours', title: 'CPU per request of Express + axios ÷ ours', unit: '×', goal: 5, isAtLeast: true },
  { id: 'records_on_off', title: 'CPU per request, records on ÷ off', unit: '×', goal: 1.1 },
  {
    id: 'p50_added_vs_bare',
    title: 'p50 added at 500 requests/s, records off ÷ that of the bare pass-through',
    unit: '×',
    goal: 1.25,
  },
  { id: 'commit_ms', title: 'what the durable record adds to that p50', unit: 'ms' },
  { id: 'stream_vs_bare', title: 'wall time of a 50 MB stream ÷ bare', unit: '×', goal: 1.15 },
  { id: 'stream_memory_mb', title: 'memory added by a 50 MB stream', unit: 'MB', goal: 32 },
  {
    id: 'decide_us',
    title: 'token lookup, match, decision, limits and event, in process',
    unit: 'µs',
    goal: 5,
  },
  { id: 'decide_100_grants_us', title: 'the same for an agent with 100 grants', unit: 'µs', goal: 8 },
  { id: 'match_us', title: 'the operation of a path, found alone', unit: 'µs' },
  { id: 'idle_mb', title: 'memory of an idle embedded server', unit: 'MB', goal: 120 },
  { id: 'ready_ms', title: 'start to ready', unit: 'ms', goal: 1_000 },
] as const satisfies readonly Known[]

export type MeasureId = (typeof measures)[number]['id']

/** Puts a figure beside its goal. */
export function measured(id: MeasureId, value: number, baseline: number): Measure {
  const known: Known = measures.find(one => one.id === id)!
  const rounded = round(value)
  return {
    id,
    value: rounded,
    unit: known.unit,
    baseline: round(baseline),
    ...(known.goal !== undefined && {
      goal: known.goal,
      ok: known.isAtLeast === true ? rounded >= known.goal : rounded <= known.goal,
    }),
  }
}

/** Three digits that count are more than such a machine repeats. */
function round(value: number): number {
  return Number(value.toPrecision(3))
}
