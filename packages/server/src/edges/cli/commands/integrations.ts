import type { Integration, Overrides, Provider, ProviderScope } from '@valetkey/sdk/wire'
import type { Command, CommandCall, OptionSpec, Options } from '../command.ts'
import { printable } from '../printable.ts'
import { providerOf } from '../references.ts'
import { readSecret, secretOptions } from '../secret-input.ts'
import { drawFacts } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { drawList, listOptions } from './list-command.ts'

const settings: Readonly<Record<string, OptionSpec>> = {
  name: { value: 'NAME', help: 'Name for people' },
  'client-id': { value: 'ID', help: 'Client id that the provider gave' },
  ...secretOptions('client-secret', 'the client secret that the provider gave'),
  'private-key-file': {
    value: 'FILE',
    help: 'Private key, for providers that take a signed assertion instead of a secret',
  },
  scopes: { value: 'A,B', help: 'Scopes to ask for', many: true },
  parameter: { value: 'NAME=VALUE', help: "What stands in the provider's URLs, such as subdomain", many: true },
  override: { value: 'ENDPOINT=URL', help: "issuer, token_endpoint … instead of the catalogue's", many: true },
  origin: { value: 'FROM=TO', help: 'Another place for one origin of the provider', many: true },
}

/** OAuth clients at providers. */
export const integrationCommands: readonly Command[] = [
  {
    name: 'integrations add',
    summary: 'Add a provider, and say what to register there',
    args: ['PROVIDER'],
    options: settings,
    example: 'valetkey integrations add slack --client-id 123.456 --client-secret-file ./slack.secret --data ./vault',
    notes:
      'Without a client id it prints where to register and the exact callback URL; give id and secret later with integrations set.',
    run: async call => {
      const vault = await call.vault()
      const given = await readSettings(call)
      const provider = await providerOf(vault, call.args[0]!)
      const integration = await vault.integrations.create({ provider: provider.id, ...given })
      const scopes = minimalScopes(provider, integration)
      const value = {
        ...integration,
        registration: provider.registration,
        minimal_scopes: scopes.map(({ name }) => name),
      }
      call.out.result(value, () => drawRegistration(call, provider, integration, scopes))
      return 0
    },
  },
  {
    name: 'integrations list',
    summary: 'The OAuth clients of this tenant',
    args: [],
    options: listOptions,
    example: 'valetkey integrations list --data ./vault',
    run: async call =>
      drawList(
        call,
        (await call.vault()).integrations.list(),
        [
          { head: 'ID', of: row => row.id },
          { head: 'PROVIDER', of: row => row.provider },
          { head: 'NAME', of: row => row.name },
          { head: 'STATUS', of: row => row.status },
          { head: 'CALLBACK', of: row => row.callback_url },
        ],
        'No integrations yet. Next: valetkey integrations add PROVIDER',
      ),
  },
  {
    name: 'integrations show',
    summary: 'One OAuth client, without its secret',
    args: ['INTEGRATION'],
    options: {},
    example: 'valetkey integrations show int_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async call => {
      call.out.facts(await (await call.vault()).integrations.get(call.args[0]!))
      return 0
    },
  },
  {
    name: 'integrations set',
    summary: 'Change an OAuth client, or give its id and secret later',
    args: ['INTEGRATION'],
    options: settings,
    example:
      'valetkey integrations set int_01jb2k3m4n5p6q7r8s9t0v1w2x --client-id 123.456 --client-secret-stdin --data ./vault',
    notes:
      'Overrides, origins and parameters decide where secrets go: a change of them needs the client secret again, and owners connect again.',
    run: async call => {
      const change = await readSettings(call)
      if (Object.keys(change).length === 0) {
        throw new UsageError('valetkey integrations set was given nothing to set.', 'valetkey integrations set --help')
      }
      call.out.facts(await (await call.vault()).integrations.update(call.args[0]!, change))
      return 0
    },
  },
]

async function readSettings({ options, io, out }: CommandCall) {
  const name = options.text('name')
  const clientId = options.text('client-id')
  const scopes = options.list('scopes')
  const parameters = pairs(options, 'parameter')
  const overrides = readOverrides(options)
  const clientSecret = await readSecret('client-secret', options, io, out)
  const privateKey = await readSecret('private-key', options, io, out)
  return {
    ...(name !== undefined && { name }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
    ...(privateKey !== undefined && { private_key: privateKey }),
    ...(scopes !== undefined && { scopes }),
    ...(parameters !== undefined && { parameters }),
    ...(overrides !== undefined && { overrides }),
  }
}

function readOverrides(options: Options): Overrides | undefined {
  const endpoints = pairs(options, 'override')
  const origins = pairs(options, 'origin')
  if (endpoints === undefined && origins === undefined) return undefined
  return { ...endpoints, ...(origins !== undefined && { origins }) }
}

function pairs(options: Options, name: string): Readonly<Record<string, string>> | undefined {
  const given = options.many(name)
  if (given.length === 0) return undefined
  return Object.fromEntries(
    given.map(pair => {
      const at = pair.indexOf('=')
      if (at < 1 || at === pair.length - 1) {
        throw new UsageError(`Expected --${name} as NAME=VALUE, not "${pair}".`, 'valetkey integrations add --help')
      }
      return [pair.slice(0, at), pair.slice(at + 1)] as const
    }),
  )
}

/** What the integration asks for, else what reading at this provider takes; writing is for the operator to add. */
function minimalScopes(provider: Provider, integration: Integration): readonly ProviderScope[] {
  const known = (provider.scopes as readonly (ProviderScope | string)[]).map(scope =>
    typeof scope === 'string' ? { name: scope } : scope,
  )
  const chosen = integration.scopes?.length ? integration.scopes : (provider.minimal_scopes ?? [])
  if (chosen.length > 0) return chosen.map(name => known.find(scope => scope.name === name) ?? { name })
  return known.filter(({ access }) => access === undefined || access === 'read')
}

function drawRegistration(
  { out }: CommandCall,
  provider: Provider,
  integration: Integration,
  scopes: readonly ProviderScope[],
): string {
  const { url, steps, traps } = provider.registration
  const isReady = integration.status === 'ready'
  return [
    drawFacts([
      ['integration', integration.id],
      ['provider', `${provider.name} (${provider.id})`],
      ['status', integration.status],
      ['missing', integration.missing],
    ]),
    '',
    out.bold(isReady ? 'Check at the provider' : 'Register at the provider'),
    `  ${printable(url)}`,
    ...steps.map((step, at) => `  ${at + 1}. ${printable(step)}`),
    '',
    out.bold('Callback URL, exactly'),
    `  ${printable(integration.callback_url)}`,
    '',
    out.bold('Scopes, no more than these'),
    ...(scopes.length === 0 ? ['  none: this provider does not need any named'] : scopes.map(drawScope)),
    ...(traps.length === 0 ? [] : ['', out.bold('Known traps'), ...traps.map(trap => `  - ${printable(trap)}`)]),
    ...(provider.docs_url === undefined ? [] : ['', out.dim(`Documentation: ${printable(provider.docs_url)}`)]),
    '',
    isReady
      ? `Next: valetkey connect USER ${integration.id}`
      : `Next: valetkey integrations set ${integration.id} --client-id ID --client-secret-file FILE`,
  ].join('\n')
}

function drawScope({ name, description }: ProviderScope): string {
  return printable(description === undefined ? `  ${name}` : `  ${name}  ${description}`)
}
