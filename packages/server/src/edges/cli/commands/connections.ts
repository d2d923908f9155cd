import type { ConnectionFilters, ConnectSessionBody } from '@valetkey/sdk/wire'
import type { Command, CommandCall } from '../command.ts'
import { integrationId, userFilter, userRef } from '../references.ts'
import { drawFacts } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { drawList, listOptions, shortTime } from './list-command.ts'

/** Authorised accounts, and the way to one. */
export const connectionCommands: readonly Command[] = [
  {
    name: 'connect',
    summary: 'Ask a person to connect an account, or complete what they began',
    args: ['USER', '[INTEGRATION]', '[CODE]'],
    options: {
      scopes: { value: 'A,B', help: 'Scopes at the provider', many: true },
      'resource-types': { value: 'A,B', help: 'Kinds of data, instead of scopes', many: true },
      'return-to': { value: 'URL', help: "Where the person's browser comes back to" },
      connection: { value: 'CONNECTION', help: 'Widen or repair this connection' },
      complete: { value: 'SESSION', help: 'Complete this session with CODE; USER is who is signed in now' },
    },
    example: 'valetkey connect alice slack --return-to http://127.0.0.1:9000/done --data ./vault',
    notes:
      'Prints the link for the person. It comes back to --return-to with connect_session and completion_code; then\n  valetkey connect alice --complete ses_… CODE\nmakes the connection, if the person who ends it is the one it was begun for.\nWithout --return-to nobody can end the session yet.',
    run: call => (call.options.text('complete') === undefined ? begin(call) : complete(call)),
  },
  {
    name: 'connections list',
    summary: 'Connected accounts',
    args: [],
    options: {
      user: { value: 'USER', help: "Of this person: our id or the tenant's own" },
      provider: { value: 'PROVIDER', help: 'At this provider' },
      integration: { value: 'INTEGRATION', help: 'At this integration' },
      status: { value: 'STATUS', help: 'pending, active, needs_reauth, error, disabled or revoked' },
      ...listOptions,
    },
    example: 'valetkey connections list --user alice --data ./vault',
    run: async call => {
      const { options } = call
      const provider = options.text('provider')
      const integration = options.text('integration')
      const status = options.text('status')
      const client = await call.vault()
      const filters = {
        ...userFilter(options.text('user')),
        ...(provider !== undefined && { provider }),
        ...(integration !== undefined && { integration: await integrationId(client, integration) }),
        ...(status !== undefined && { status }),
      } as ConnectionFilters
      return drawList(
        call,
        client.connections.list(filters),
        [
          { head: 'ID', of: row => row.id },
          { head: 'USER', of: row => row.user?.external_id ?? '(machine)' },
          { head: 'PROVIDER', of: row => row.provider },
          { head: 'ACCOUNT', of: row => row.account_label },
          { head: 'STATUS', of: row => (row.reason ? `${row.status} (${row.reason})` : row.status) },
          { head: 'LAST USED', of: row => shortTime(row.last_used_at) },
        ],
        'No connections. Next: valetkey connect USER INTEGRATION',
      )
    },
  },
  {
    name: 'connections show',
    summary: 'One connected account: status, scopes, when its credential was renewed',
    args: ['CONNECTION'],
    options: {},
    example: 'valetkey connections show con_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      call.out.facts(await (await call.vault()).connections.get(call.args[0]!))
      return 0
    },
  },
  {
    name: 'connections check',
    summary: 'Prove that a connection works, without reading data',
    args: ['CONNECTION'],
    options: {},
    example: 'valetkey connections check con_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      const check = await (await call.vault()).connections.check(call.args[0]!)
      call.out.facts(check)
      const works = check.ok !== false && (check.status === undefined || check.status === 'active')
      return works ? 0 : 1
    },
  },
  {
    name: 'connections refresh',
    summary: 'Renew the credential of a connection now',
    args: ['CONNECTION'],
    options: {},
    example: 'valetkey connections refresh con_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      call.out.facts(await (await call.vault()).connections.refresh(call.args[0]!))
      return 0
    },
  },
  {
    name: 'connections delete',
    summary: 'Revoke a connection at the provider where it can be, and erase it',
    args: ['CONNECTION'],
    options: {},
    example: 'valetkey connections delete con_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      const ended = await (await call.vault()).connections.delete(call.args[0]!)
      call.out.facts(ended, [
        ['id', ended.id],
        ['status', ended.status],
        ['access token at the provider', ended.revoked?.access_token],
        ['refresh token at the provider', ended.revoked?.refresh_token],
        ['also ended', ended.also_revoked],
        ['erased here', ended.erased],
      ])
      if (ended.revoked?.access_token === 'failed' || ended.revoked?.refresh_token === 'failed') {
        call.out.note(
          "The provider did not confirm the end. Ask the owner to remove the access in the provider's settings.",
        )
      }
      return 0
    },
  },
]

async function begin({ args, options, out, vault }: CommandCall): Promise<number> {
  const [user, named, extra] = args
  if (named === undefined) {
    throw new UsageError('valetkey connect needs an INTEGRATION.', 'For example: valetkey connect alice slack')
  }
  if (extra !== undefined) {
    throw new UsageError(`valetkey connect does not take "${extra}" here.`, 'A CODE belongs to --complete SESSION.')
  }
  const client = await vault()
  const scopes = options.list('scopes')
  const resourceTypes = options.list('resource-types')
  const returnTo = options.text('return-to')
  const connection = options.text('connection')
  const body: ConnectSessionBody = {
    user: userRef(user!),
    integration: await integrationId(client, named),
    ...(scopes !== undefined && { scopes }),
    ...(resourceTypes !== undefined && { resource_types: resourceTypes }),
    ...(returnTo !== undefined && { return_to: returnTo }),
    ...(connection !== undefined && { connection }),
  }
  const session = await client.connectSessions.create(body)
  if (returnTo === undefined)
    out.note(
      'Warning: nobody can end this session yet. Without --return-to a person ends it signed in to Valetkey, which is not available yet. Begin again with --return-to URL.',
    )
  out.result(session, () =>
    [
      drawFacts([
        ['session', session.id],
        ['open', session.connect_url],
        ['until', shortTime(session.expires_at)],
      ]),
      '',
      returnTo === undefined
        ? `Next: valetkey connect ${user} ${named} --return-to http://127.0.0.1:9000/done`
        : `Next: ${user} opens the link; then valetkey connect ${user} --complete ${session.id} CODE`,
    ].join('\n'),
  )
  return 0
}

async function complete({ args, options, out, vault }: CommandCall): Promise<number> {
  const code = args.at(-1)
  if (args.length < 2 || code === undefined) {
    throw new UsageError(
      'valetkey connect --complete needs the completion code.',
      'valetkey connect USER --complete SESSION CODE',
    )
  }
  const client = await vault()
  const connection = await client.connectSessions.complete(options.text('complete')!, {
    completion_code: code,
    user: userRef(args[0]!),
  })
  out.facts(connection)
  return 0
}
