import type { AuditEvent, AuditFilters } from '@valetkey/sdk/wire'
import type { Command, CommandCall, OptionSpec } from '../command.ts'
import { parseDuration, parseMoment } from '../point-in-time.ts'
import { agentId, userId } from '../references.ts'
import { type Column, drawTable } from '../table.ts'
import { followEvents } from './follow-events.ts'
import { shortTime } from './list-command.ts'

const filters: Readonly<Record<string, OptionSpec>> = {
  user: { value: 'USER', help: "Of this person: our id or the tenant's own" },
  agent: { value: 'AGENT', help: 'Of this agent' },
  connection: { value: 'CONNECTION', help: 'On this connection' },
  provider: { value: 'PROVIDER', help: 'At this provider' },
  'resource-type': { value: 'TYPE', help: 'Kind of data' },
  action: { value: 'ACTION', help: 'list, fetch, search, write, delete, share, credential or admin' },
  type: { value: 'TYPE', help: 'Type of event, such as access.denied' },
  outcome: { value: 'OUTCOME', help: 'allowed, denied, ok, error or unknown' },
  resource: { value: 'ID', help: 'About this resource at the provider' },
  task: { value: 'TASK', help: 'In this task' },
}

const columns: readonly Column<AuditEvent>[] = [
  { head: 'TIME', of: row => shortTime(row.time) },
  { head: 'TYPE', of: row => row.type },
  { head: 'OUTCOME', of: row => row.outcome },
  { head: 'USER', of: row => row.user },
  { head: 'AGENT', of: row => row.agent ?? row.app },
  { head: 'PROVIDER', of: row => row.provider },
  { head: 'OPERATION', of: row => row.operation },
  { head: 'REASONS', of: row => row.decision?.reasons.join(' ') },
]

/** The record. `audit verify` stands with the local commands, because it reads the database itself. */
export const auditCommands: readonly Command[] = [
  {
    name: 'audit query',
    summary: 'Events of the record, newest first',
    args: [],
    options: {
      ...filters,
      since: { value: 'WHEN', help: 'From a moment, or a length of time ago such as 24h' },
      until: { value: 'WHEN', help: 'To a moment, or a length of time ago' },
      limit: { value: 'N', help: 'So many a page, at most 200 (50)' },
      cursor: { value: 'CURSOR', help: 'The page after this one' },
    },
    example: 'valetkey audit query --type access.denied --since 24h --data ./vault',
    run: async call => {
      const { options, io, out } = call
      const limit = options.count('limit', 1, 200)
      const cursor = options.text('cursor')
      const since = options.text('since')
      const until = options.text('until')
      const times = {
        ...(since !== undefined && { since: parseMoment(since, 'since', io.now(), 'ago') }),
        ...(until !== undefined && { until: parseMoment(until, 'until', io.now(), 'ago') }),
      }
      const vault = await call.vault()
      const page = await vault.audit
        .events({ ...(await readFilters(call)), ...times })
        .page({ ...(limit !== undefined && { limit }), ...(cursor !== undefined && { cursor }) })
      out.rows(page.data, columns, 'No such events.', page.next_cursor ?? null)
      return 0
    },
  },
  {
    name: 'audit tail',
    summary: 'Follow the record as it grows, until Ctrl-C',
    args: [],
    options: {
      ...filters,
      lines: { value: 'N', help: 'Begin with so many of the last events, at most 200 (10)' },
      every: { value: 'TIME', help: 'How often to look (1s)' },
    },
    example: 'valetkey audit tail --provider slack --data ./vault',
    notes: 'With --json one event a line.',
    run: async call => {
      const { options, io, out } = call
      const lines = options.count('lines', 0, 200) ?? 10
      const everyMs = parseDuration(options.text('every') ?? '1s', 'every')
      const vault = await call.vault()
      const widths = new Map<string, number>()
      for await (const events of followEvents(vault, await readFilters(call), { lines, everyMs }, io)) {
        if (out.isJson) for (const event of events) io.stdout.write(`${JSON.stringify(event)}\n`)
        else io.stdout.write(drawBatch(events, widths, out.width))
      }
      return 0
    },
  },
]

async function readFilters({ options, vault }: CommandCall): Promise<AuditFilters> {
  const agent = options.text('agent')
  const user = options.text('user')
  const direct = ['connection', 'provider', 'action', 'type', 'outcome', 'resource', 'task'] as const
  const resourceType = options.text('resource-type')
  return {
    ...Object.fromEntries(direct.map(name => [name, options.text(name)]).filter(([, value]) => value !== undefined)),
    ...(resourceType !== undefined && { resource_type: resourceType }),
    ...(user !== undefined && { user: await userId(await vault(), user) }),
    ...(agent !== undefined && { agent: await agentId(await vault(), agent) }),
  }
}

/** Batches under one heading: columns keep the width they once had, so that lines stay aligned while they come. */
function drawBatch(events: readonly AuditEvent[], widths: Map<string, number>, width: number | undefined): string {
  const isFirst = widths.size === 0
  const padded = columns.map(({ head, of }, at) => {
    const longest = Math.max(
      head.length,
      widths.get(head) ?? leastWidth[at]!,
      ...events.map(row => String(of(row) ?? '').length),
    )
    widths.set(head, longest)
    return { head: head.padEnd(longest), of: (row: AuditEvent) => String(of(row) ?? '').padEnd(longest) }
  })
  const drawn = drawTable(padded, events, width)
  return `${isFirst ? drawn : drawn.slice(drawn.indexOf('\n') + 1)}\n`
}

/** What ids and the usual words take, so that a short first batch does not set narrow columns. */
const leastWidth = [20, 17, 7, 30, 30, 12, 26, 7]
