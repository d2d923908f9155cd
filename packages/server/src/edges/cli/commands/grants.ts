import type { Grant, GrantBody, GrantFilters, PathRule } from '@valetkey/sdk/wire'
import type { Command, CommandCall } from '../command.ts'
import { parseMoment } from '../point-in-time.ts'
import { agentId, userFilter, userRef } from '../references.ts'
import { UsageError } from '../usage-error.ts'
import { drawList, listOptions, shortTime } from './list-command.ts'
import { suggestGrants } from './suggest-grants.ts'

/** What users let agents do. */
export const grantCommands: readonly Command[] = [
  suggestGrants,
  {
    name: 'grants add',
    summary: 'Let an agent use a connection: for what, and until when',
    args: ['AGENT', 'CONNECTION'],
    options: {
      permissions: { value: 'A,B', help: 'provider:resource_type:action, or operation ids', many: true },
      path: { value: '"METHODS [HOST]/PATTERN"', help: 'Paths that no catalogued operation covers', many: true },
      resource: { value: 'TYPE=ID,ID', help: 'Only these resources', many: true },
      until: { value: 'WHEN', help: 'A moment, or a length of time such as 8h or 7d; at most 90 days' },
      user: { value: 'USER', help: 'Owner of the connection' },
      task: { value: 'TASK', help: 'Ends with this task' },
      'idle-timeout': { value: 'SECONDS', help: 'Ends when unused for so long' },
      'max-calls': { value: 'N', help: 'Ends after so many calls' },
      approval: { value: 'WHEN', help: 'none, writes or always: the owner says yes to each call' },
      unattended: { help: 'Also without a user at hand: for tokens without one' },
    },
    example:
      'valetkey grants add digest con_01jb2k3m4n5p6q7r8s9t0v1w2x --permissions "slack:messages:*" --until 8h --data ./vault',
    notes:
      '* as an action means list, fetch and search. write, delete and admin are written out; share and credential go by operation id.',
    run: async call => {
      const body = grantBody(call)
      const client = await call.vault()
      call.out.facts(await client.grants.create({ ...body, agent: await agentId(client, call.args[0]!) }))
      return 0
    },
  },
  {
    name: 'grants list',
    summary: 'What agents may do',
    args: [],
    options: {
      user: { value: 'USER', help: "Of this person: our id or the tenant's own" },
      agent: { value: 'AGENT', help: 'Of this agent' },
      connection: { value: 'CONNECTION', help: 'On this connection' },
      status: { value: 'STATUS', help: 'active or ended' },
      ...listOptions,
    },
    example: 'valetkey grants list --user alice --status active --data ./vault',
    run: async call => {
      const { options } = call
      const client = await call.vault()
      const agent = options.text('agent')
      const connection = options.text('connection')
      const status = options.text('status')
      const filters = {
        ...userFilter(options.text('user')),
        ...(agent !== undefined && { agent: await agentId(client, agent) }),
        ...(connection !== undefined && { connection }),
        ...(status !== undefined && { status }),
      } as GrantFilters
      return drawList(
        call,
        client.grants.list(filters),
        [
          { head: 'ID', of: row => row.id },
          { head: 'USER', of: row => row.user?.external_id ?? '(machine)' },
          { head: 'AGENT', of: row => row.agent },
          { head: 'CONNECTION', of: row => row.connection },
          { head: 'UNTIL', of: row => shortTime(row.expires_at) },
          { head: 'STATUS', of: row => (row.ended_reason ? `ended (${row.ended_reason})` : row.status) },
          { head: 'CALLS', of: row => row.calls },
          { head: 'MAY', of: drawGranted },
        ],
        'No grants. Next: valetkey grants add AGENT CONNECTION --permissions A,B --until 8h',
      )
    },
  },
  {
    name: 'grants show',
    summary: 'One grant',
    args: ['GRANT'],
    options: {},
    example: 'valetkey grants show grt_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      call.out.facts(await (await call.vault()).grants.get(call.args[0]!))
      return 0
    },
  },
  {
    name: 'grants revoke',
    summary: 'End a grant; returns when that has taken effect',
    args: ['GRANT'],
    options: {},
    example: 'valetkey grants revoke grt_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      call.out.facts(await (await call.vault()).grants.revoke(call.args[0]!))
      return 0
    },
  },
]

function grantBody({ args, options, io }: CommandCall): Omit<GrantBody, 'agent'> {
  const permissions = options.list('permissions')
  const paths = options.many('path').map(parsePath)
  const until = options.text('until')
  if (until === undefined) throw new UsageError('Every grant ends: --until is missing.', 'For example --until 8h')
  if (permissions === undefined && paths.length === 0) {
    throw new UsageError('A grant is for something: --permissions or --path is missing.', 'valetkey grants add --help')
  }
  const user = options.text('user')
  const task = options.text('task')
  const idle = options.count('idle-timeout', 1, 7_776_000)
  const maxCalls = options.count('max-calls', 1, 1_000_000_000)
  const approval = options.text('approval') as GrantBody['approval']
  const resources = Object.fromEntries(options.many('resource').map(parseResource))
  return {
    connection: args[1]!,
    expires_at: parseMoment(until, 'until', io.now(), 'ahead'),
    ...(permissions !== undefined && { permissions }),
    ...(paths.length > 0 && { paths }),
    ...(Object.keys(resources).length > 0 && { resources }),
    ...(user !== undefined && { user: userRef(user) }),
    ...(task !== undefined && { task }),
    ...(idle !== undefined && { idle_timeout_seconds: idle }),
    ...(maxCalls !== undefined && { max_calls: maxCalls }),
    ...(approval !== undefined && { approval }),
    ...(options.isOn('unattended') && { unattended: true }),
  }
}

/** `GET,HEAD /v1/**` or `GET api.example.com/v1/{name}`. */
export function parsePath(text: string): PathRule {
  const [, methods, host, pattern] = /^([A-Za-z]+(?:,[A-Za-z]+)*) ([^/\s]*)(\/\S*)$/.exec(text) ?? []
  if (methods === undefined || pattern === undefined) {
    throw new UsageError(
      `Expected --path as "METHODS [HOST]/PATTERN", not "${text}".`,
      'For example --path "GET,HEAD /v1/**"',
    )
  }
  return { methods: methods.toUpperCase().split(','), pattern, ...(host !== undefined && host !== '' && { host }) }
}

function drawGranted({ permissions, paths, resources }: Grant): string {
  const only = Object.entries(resources ?? {}).map(([type, ids]) => `only ${type} ${ids.join(',')}`)
  return [...(permissions ?? []), ...(paths ?? []).map(drawPath), ...only].join(' ')
}

function drawPath({ methods, host = '', pattern }: PathRule): string {
  return `${methods.join(',')} ${host}${pattern}`
}

function parseResource(text: string): readonly [string, readonly string[]] {
  const at = text.indexOf('=')
  const ids =
    at < 1
      ? []
      : text
          .slice(at + 1)
          .split(',')
          .filter(id => id !== '')
  if (ids.length === 0)
    throw new UsageError(`Expected --resource as TYPE=ID,ID, not "${text}".`, 'valetkey grants add --help')
  return [text.slice(0, at), ids]
}
