import { type Listing, type Valetkey, ValetkeyError } from '@valetkey/sdk'
import type { Provider, UserRef } from '@valetkey/sdk/wire'
import { suggest } from './suggest.ts'
import { CommandFailed } from './usage-error.ts'

/** A user as the command line names one: our id, else the tenant's own. */
export function userRef(name: string): UserRef {
  return isId(name, 'usr') ? { id: name } : { external_id: name }
}

/** The filter that means that user. */
export function userFilter(name: string | undefined): { user?: string; user_external_id?: string } {
  if (name === undefined) return {}
  return isId(name, 'usr') ? { user: name } : { user_external_id: name }
}

/** Our id of a user, whichever of the two was named. */
export function userId(vault: Valetkey, name: string): Promise<string> {
  if (isId(name, 'usr')) return Promise.resolve(name)
  return onlyOne(vault.users.list({ external_id: name }), user => user.external_id === name, name, 'user')
}

/** An integration by id, else by its provider or name if that means exactly one. */
export function integrationId(vault: Valetkey, name: string): Promise<string> {
  if (isId(name, 'int')) return Promise.resolve(name)
  return onlyOne(
    vault.integrations.list(),
    ({ provider, name: own }) => provider === name || own === name,
    name,
    'integration',
  )
}

/** An agent by id, else by its name if exactly one has it. */
export function agentId(vault: Valetkey, name: string): Promise<string> {
  if (isId(name, 'agt')) return Promise.resolve(name)
  return onlyOne(vault.agents.list(), agent => agent.name === name, name, 'agent')
}

/** The entry of a provider; for a name that is none, the ids that could be meant. */
export async function providerOf(vault: Valetkey, name: string): Promise<Provider> {
  try {
    return await vault.providers.get(name)
  } catch (error) {
    if (!(error instanceof ValetkeyError) || error.status !== 404) throw error
    const known = await vault.providers.list().toArray()
    const wanted = name.toLowerCase()
    const named = known.filter(row => row.name.toLowerCase() === wanted || row.id.includes(wanted)).map(({ id }) => id)
    const near = [
      ...new Set([
        ...named,
        ...suggest(
          wanted,
          known.map(({ id }) => id),
        ),
      ]),
    ].slice(0, 3)
    throw new CommandFailed(
      `There is no provider "${name}".`,
      near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'valetkey providers list',
    )
  }
}

function isId(text: string, prefix: string): boolean {
  return text.startsWith(`${prefix}_`) && /^[0-9a-z]{26}$/.test(text.slice(4))
}

async function onlyOne<T extends { readonly id: string }>(
  all: Listing<T>,
  isMeant: (item: T) => boolean,
  name: string,
  noun: string,
): Promise<string> {
  const found: string[] = []
  for await (const item of all) if (isMeant(item)) found.push(item.id)
  const [id, another] = found
  if (id === undefined) throw new CommandFailed(`There is no ${noun} "${name}".`, `valetkey ${noun}s list`)
  if (another !== undefined) {
    throw new CommandFailed(`"${name}" means several ${noun}s.`, `Give the id of one of them: ${found.join(', ')}`)
  }
  return id
}
