import { type ClientOptions, settleClient, type UserOptions } from '../options.ts'
import type { ProviderState } from './provider-state.ts'

/** Registers a client, or replaces the one of that id. */
export function addClient(state: ProviderState, given: ClientOptions): void {
  const client = settleClient(given, state.surface.defaults.authMethod)
  // A client and a user of one name could be mistaken for each other in a token's subject (RFC 9700 section 4.15).
  if (state.users.has(client.id)) throw new TypeError(`"${client.id}" is already the id of a user`)
  state.clients.set(client.id, client)
  if (client.secret !== undefined) state.clientSecrets.add(client.secret)
}

/** Adds a person, or replaces the one of that id. */
export function addUser(state: ProviderState, user: UserOptions): void {
  if (state.clients.has(user.id)) throw new TypeError(`"${user.id}" is already the id of a client`)
  state.users.set(user.id, user)
}
