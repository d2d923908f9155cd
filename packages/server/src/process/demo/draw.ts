import type { AuditEvent } from '@valetkey/sdk/wire'
import type { Output } from '../../edges/cli/output.ts'
import { printable } from '../../edges/cli/printable.ts'
import { drawTable } from '../../edges/cli/table.ts'
import type { PersonDigest } from './agent.ts'
import { services } from './services.ts'

/** One check as `--json` shows it. */
export interface Check {
  readonly id: string
  readonly ok: boolean
  readonly detail: string
}

/** A person's week for people: by service, newest first. */
export function drawDigest({ person, sources }: PersonDigest, out: Output): string {
  const lines = sources.flatMap(({ source, items, fault }) => [
    `  ${out.bold(source)}${fault === undefined ? '' : `  ${printable(fault)}`}`,
    ...items.map(({ when, text }) => `    ${out.dim(dayOf(when))}  ${printable(text)}`),
  ])
  return [out.bold(`${person}'s week`), ...lines].join('\n')
}

function dayOf(when: string | undefined): string {
  if (when === undefined) return '          '
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date(when).getUTCDay()]
  return `${day} ${when.slice(5, 10)}`.padEnd(10)
}

/** One row of the trail: calls of a kind, together. */
export interface TrailRow {
  readonly when: string
  /** For whom the agent worked. */
  readonly who: string
  readonly service: string
  /** Whose data, and what kind. */
  readonly data: string
  readonly action: string
  readonly agent: string
  readonly outcome: string
  readonly calls: number
}

/** Who did what with which data, when, through which agent: calls that differ in time alone share a row, oldest first. */
export function trailRows(
  events: readonly AuditEvent[],
  names: {
    readonly users: ReadonlyMap<string, string>
    readonly agents: ReadonlyMap<string, string>
    /** Owners of connections, by the connection's id. */
    readonly owners: ReadonlyMap<string, string>
  },
): TrailRow[] {
  const rows = new Map<string, TrailRow>()
  const accesses = events.filter(event => event.type === 'access.allowed' || event.type === 'access.denied')
  for (const event of accesses.toSorted((a, b) => a.time.localeCompare(b.time))) {
    const reasons = event.decision?.reasons ?? []
    const nameOf = (id: string | undefined) => names.users.get(id ?? '') ?? id ?? 'nobody'
    const row: TrailRow = {
      when: event.time.slice(11, 19),
      who: nameOf(event.user),
      service: services.find(({ provider }) => provider === event.provider)?.label ?? event.provider ?? '',
      data: `${names.owners.get(event.connection ?? '') ?? 'nobody'}'s ${event.resource_type ?? 'connection'}`,
      action: event.action ?? '',
      agent: names.agents.get(event.agent ?? '') ?? event.agent ?? '',
      outcome: event.outcome === 'denied' ? `refused: ${reasons[0] ?? 'no reason'}` : event.outcome,
      calls: 1,
    }
    const { when: _when, calls: _calls, ...kind } = row
    const key = JSON.stringify(kind)
    const known = rows.get(key)
    rows.set(key, known === undefined ? row : { ...known, calls: known.calls + 1 })
  }
  return [...rows.values()]
}

/** Not cut to the terminal's width: the last column says why something was refused. */
export function drawTrail(rows: readonly TrailRow[]): string {
  return drawTable<TrailRow>(
    [
      { head: 'UTC', of: row => row.when },
      { head: 'Who', of: row => row.who },
      { head: 'Service', of: row => row.service },
      { head: 'Data', of: row => row.data },
      { head: 'Action', of: row => row.action },
      { head: 'Agent', of: row => row.agent },
      { head: '×', of: row => row.calls },
      { head: 'Outcome', of: row => row.outcome },
    ],
    rows,
  )
}

export function drawCheck({ id, ok, detail }: Check, out: Output): string {
  return `${ok ? '✓' : '✗'} ${out.bold(id)}  ${printable(detail)}`
}
