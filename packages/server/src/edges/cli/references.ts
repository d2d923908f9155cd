import type { Listing, Valetkey } from '@valetkey/sdk'
import type { UserRef } from '@valetkey/sdk/wire'
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
