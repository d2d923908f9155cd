import type { AuditEvent, GrantBody, Provider, ProviderOperation } from '@valetkey/sdk/wire'
import type { Command, CommandCall } from '../command.ts'
import { parseMoment } from '../point-in-time.ts'
import { printable } from '../printable.ts'
import { agentId } from '../references.ts'
import { UsageError } from '../usage-error.ts'

/** Denials beyond these, newest first, are not looked at. */
const mostDenials = 10_000
const mostIds = 200

/** The smallest grant under which one agent's denied calls on one connection would have passed. */
export interface Suggestion {
  readonly agent: string
  readonly connection: string
  readonly provider: string
  /** Denied calls that it would let pass. */
  readonly denials: number
  /** Ready for `POST /v1/grants`; none when nothing can be suggested. */
  readonly grant?: GrantBody
  /** The same as a command. */
  readonly command?: string
  /** Operations that widen access or make it permanent: never part of the grant above. */
  readonly by_hand: readonly { readonly operation: string; readonly action: string; readonly denials: number }[]
  /** Calls that are not catalogued; the record has no paths of these. */
  readonly uncatalogued: readonly { readonly method: string; readonly host: string; readonly denials: number }[]
}

/** Turns what was denied into the grant that is missing. It only proposes: a person decides. */
export const suggestGrants: Command = {
  name: 'grants suggest',
  summary: 'The smallest grants for what agents were denied',
  args: [],
  options: {
    'from-denials': { help: 'Read the denials on the record' },
    agent: { value: 'AGENT', help: 'Of this agent' },
    connection: { value: 'CONNECTION', help: 'On this connection' },
    since: { value: 'WHEN', help: 'From a moment, or a length of time ago (7d)' },
    until: { value: 'WHEN', help: 'When the suggested grants end (8h)' },
  },
  example: 'valetkey grants suggest --from-denials --agent digest --since 24h --data ./vault',
  notes:
    'A denial is no reason to grant: read what an agent wanted before it gets it. Paths of uncatalogued calls are on no record, so that no "paths" rule can be suggested.',
  run: async call => {
    if (!call.options.isOn('from-denials')) {
      throw new UsageError('Say what to suggest from: --from-denials is missing.', 'valetkey grants suggest --help')
    }
    const since = parseMoment(call.options.text('since') ?? '7d', 'since', call.io.now(), 'ago')
    const until = call.options.text('until') ?? '8h'
    const expiresAt = parseMoment(until, 'until', call.io.now(), 'ahead')
    const denied = await readDenials(call, since)
    const operations = await operationsOf(call, denied)
    const suggestions = [...groups(denied).values()].map(events => suggestionFor(events, operations, until, expiresAt))
    call.out.result({ since, suggestions }, () =>
      suggestions.length === 0
        ? 'No call was denied for want of a permission in that time.'
        : suggestions.map(suggestion => draw(suggestion, call.out.bold)).join('\n\n'),
    )
    return 0
  },
}

type Denial = AuditEvent & {
  readonly agent: string
  readonly connection: string
  readonly provider: string
  readonly operation: string
}

function isDenial(event: AuditEvent): event is Denial {
  const { agent, connection, provider, operation } = event
  const isNamed = [agent, connection, provider, operation].every(member => member !== undefined)
  return isNamed && event.decision?.reasons.includes('operation_not_permitted') === true
}

async function readDenials({ options, vault }: CommandCall, since: string): Promise<readonly Denial[]> {
  const client = await vault()
  const agent = options.text('agent')
  const connection = options.text('connection')
  const events = client.audit.events({
    type: 'access.denied',
    since,
    ...(agent !== undefined && { agent: await agentId(client, agent) }),
    ...(connection !== undefined && { connection }),
  })
  const denials: Denial[] = []
  let read = 0
  for await (const event of events) {
    if (isDenial(event)) denials.push(event)
    if (++read >= mostDenials) break
  }
  return denials
}

async function operationsOf(
  { vault }: CommandCall,
  denied: readonly Denial[],
): Promise<ReadonlyMap<string, ProviderOperation>> {
  const client = await vault()
  const providers = [...new Set(denied.map(({ provider }) => provider))]
  const known: Provider[] = await Promise.all(providers.map(provider => client.providers.get(provider)))
  return new Map(
    known.flatMap(({ operations = [] }) => operations.map(operation => [operation.id, operation] as const)),
  )
}

function groups(denied: readonly Denial[]): ReadonlyMap<string, readonly Denial[]> {
  return Map.groupBy(denied, ({ agent, connection }) => `${agent} ${connection}`)
}

function suggestionFor(
  events: readonly Denial[],
  operations: ReadonlyMap<string, ProviderOperation>,
  until: string,
  expiresAt: string,
): Suggestion {
  const { agent, connection, provider } = events[0]!
  const catalogued = events.filter(({ operation }) => operations.has(operation))
  const isByHand = ({ action }: AuditEvent) => action === 'share' || action === 'credential'
  const grantable = catalogued.filter(event => !isByHand(event))
  const permissions = [...new Set(grantable.map(one => `${provider}:${one.resource_type}:${one.action}`))].toSorted()
  const resources = resourcesOf(grantable, operations)
  const grant: GrantBody = {
    agent,
    connection,
    permissions,
    ...(resources !== undefined && { resources }),
    expires_at: expiresAt,
  }
  return {
    agent,
    connection,
    provider,
    denials: grantable.length,
    ...(permissions.length > 0 && { grant, ...commandFor(grant, until) }),
    by_hand: counted(catalogued.filter(isByHand), ({ operation, action }) => ({ operation, action: action! })),
    uncatalogued: counted(
      events.filter(({ operation }) => !operations.has(operation)),
      ({ http }) => ({ method: http?.method ?? '', host: http?.host ?? '' }),
    ),
  }
}

/** The resources of the denied calls, when each of them named some of one type: the grant can be limited to these. */
function resourcesOf(
  events: readonly Denial[],
  operations: ReadonlyMap<string, ProviderOperation>,
): Readonly<Record<string, readonly string[]>> | undefined {
  const ids = new Map<string, Set<string>>()
  for (const { operation, resource_ids = [] } of events) {
    const types = new Set(operations.get(operation)?.resources?.map(({ type }) => type))
    if (types.size !== 1 || resource_ids.length === 0) return undefined
    const [type] = types as Set<string> & Iterable<string>
    const known = ids.get(type!) ?? new Set()
    ids.set(type!, known)
    for (const id of resource_ids) known.add(id)
  }
  const sum = [...ids.values()].reduce((total, known) => total + known.size, 0)
  if (sum === 0 || sum > mostIds) return undefined
  return Object.fromEntries([...ids].map(([type, known]) => [type, [...known].toSorted()]))
}

function counted<T extends object>(events: readonly Denial[], of: (event: Denial) => T): (T & { denials: number })[] {
  const same = Map.groupBy(events, event => JSON.stringify(of(event)))
  return [...same.values()].map(one => ({ ...of(one[0]!), denials: one.length }))
}

function commandOf({ agent, connection, permissions = [], resources = {} }: GrantBody, until: string): string {
  const lists = Object.entries(resources).map(([type, ids]) => ` --resource ${quoted(`${type}=${ids.join(',')}`)}`)
  return `valetkey grants add ${agent} ${connection} --permissions ${quoted(permissions.join(','))}${lists.join('')} --until ${quoted(until)}`
}

/** None for ids that the command line would read as several: they go in JSON alone. */
function commandFor(grant: GrantBody, until: string): { readonly command?: string } {
  const ids = Object.values(grant.resources ?? {}).flat()
  return ids.some(id => id.includes(',')) ? {} : { command: commandOf(grant, until) }
}

/** For a POSIX shell. Ids came from an agent. */
function quoted(text: string): string {
  return /^[\w.:,=@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function draw(suggestion: Suggestion, bold: (text: string) => string): string {
  const { agent, connection, provider, denials, grant, command, by_hand, uncatalogued } = suggestion
  const lines = [bold(`${agent} on ${connection} (${provider})`)]
  if (grant !== undefined) {
    lines.push(`  ${denials} denied calls would pass with:`)
    lines.push(`  ${printable(command ?? `POST /v1/grants ${JSON.stringify(grant)}`)}`)
  }
  if (by_hand.length > 0) {
    lines.push('  Warning: these widen access or make it permanent. Grant one by its id only if that is meant:')
    for (const row of by_hand) lines.push(`    ${row.operation} (${row.action}), denied ${row.denials} times`)
  }
  if (uncatalogued.length > 0) {
    lines.push('  Not catalogued, and their paths are on no record, so nothing is suggested for:')
    for (const row of uncatalogued) lines.push(`    ${row.method} on ${row.host}, denied ${row.denials} times`)
    lines.push('    Ask who runs the agent which paths it needs: grants add … --path "GET /v1/{name}"')
  }
  return lines.join('\n')
}
