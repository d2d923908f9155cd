import type { Provider, ProviderSummary } from '@valetkey/sdk/wire'
import type { Command } from '../command.ts'
import { providerOf } from '../references.ts'
import { drawFacts } from '../table.ts'
import { drawList, listOptions } from './list-command.ts'

const columns = [
  { head: 'ID', of: (row: ProviderSummary) => row.id },
  { head: 'NAME', of: (row: ProviderSummary) => row.name },
  { head: 'STATUS', of: (row: ProviderSummary) => row.status },
  { head: 'CATEGORY', of: (row: ProviderSummary) => row.category },
]

/** What we know of services. */
export const providerCommands: readonly Command[] = [
  {
    name: 'providers list',
    summary: 'The services that can be connected',
    args: [],
    options: listOptions,
    example: 'valetkey providers list --data ./vault',
    run: async call => drawList(call, (await call.vault()).providers.list(), columns, 'The catalogue is empty.'),
  },
  {
    name: 'providers search',
    summary: 'Services by a word in their id, name or category',
    args: ['WORD'],
    options: {},
    example: 'valetkey providers search calendar --data ./vault',
    run: async call => {
      const word = call.args[0]!.toLowerCase()
      const all = await (await call.vault()).providers.list().toArray()
      const found = all.filter(({ id, name, category = '' }) =>
        [id, name, category].some(text => text.toLowerCase().includes(word)),
      )
      call.out.rows(found, columns, `No service has "${word}" in it.`)
      return 0
    },
  },
  {
    name: 'providers show',
    summary: 'One service: how to register, its scopes and operations',
    args: ['PROVIDER'],
    options: {},
    example: 'valetkey providers show slack --data ./vault',
    run: async call => {
      const provider = await providerOf(await call.vault(), call.args[0]!)
      call.out.result(provider, () => drawProvider(provider))
      return 0
    },
  },
]

function drawProvider(provider: Provider): string {
  const { registration, operations = [] } = provider
  return [
    drawFacts([
      ['id', provider.id],
      ['name', provider.name],
      ['status', provider.status],
      ['documentation', provider.docs_url],
      ['register at', registration.url],
      ['data', namesOf(provider.resource_types)],
      ['scopes for reading', provider.minimal_scopes],
      ['all scopes', namesOf(provider.scopes)],
    ]),
    ...(operations.length === 0 ? [] : ['', 'Operations']),
    ...operations.map(({ id, resource_type, action }) => `  ${id}  (${resource_type}:${action})`),
    '',
    `Next: valetkey integrations add ${provider.id}`,
  ].join('\n')
}

/** Names, whether the server lists them bare or with their description. */
export function namesOf(items: readonly (string | { readonly name: string })[] | undefined): readonly string[] {
  return (items ?? []).map(item => (typeof item === 'string' ? item : item.name))
}
