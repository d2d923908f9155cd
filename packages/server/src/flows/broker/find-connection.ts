import type { AgentCaller } from '../../core/caller.ts'
import { match } from '../../core/catalogue/match-operation.ts'
import type { ProviderEntry } from '../../core/catalogue/provider.ts'
import type { Connection } from '../../core/connection.ts'
import { Failure, notFound } from '../../core/failure.ts'
import { type ConnectionId, isId } from '../../core/ids.ts'
import { reachOf } from '../grants/reach.ts'
import type { BrokerParts } from './broker-parts.ts'

/**
 * Which connection a call means: its id, or a provider's id when exactly one granted connection of it is in reach
 * (CONTRACT 7). With none granted it is one that exists, so that the decision can say what is missing.
 */
export async function findConnection(
  parts: BrokerParts,
  caller: AgentCaller,
  reference: string,
  /** What is asked for, so that a person can be told which scopes it takes. */
  call: { readonly method: string; readonly host?: string; readonly path: string },
): Promise<ConnectionId> {
  if (isId('con', reference)) return reference
  const entry = parts.catalogue.get(reference)
  if (entry === undefined) throw notFound()
  const reach = await reachOf(parts, caller)
  const granted = await ofProvider(parts, caller, reference, [...reach.keys()])
  if (granted.length === 1) return granted[0]!.id
  if (granted.length > 1) {
    throw new Failure('conflict', `Several connections of ${entry.name} are in reach. Name one of them by its id.`, {
      members: { candidates: granted.map(connection => connection.id) },
    })
  }
  const known = await ownOf(parts, caller, reference)
  if (known.length === 0) {
    throw new Failure('connection_required', `No ${entry.name} account is connected. Ask its owner to connect it.`, {
      members: { required_scopes: requiredScopes(parts, entry, call) },
    })
  }
  // One on which this agent had a grant says more than one on which it never had any.
  for (const { id } of known) {
    const grants = await parts.store.asTenant(caller.tenant, rows => rows.grants.of(caller.agent, id))
    if (grants.length > 0) return id
  }
  return known[0]!.id
}

function requiredScopes(
  parts: BrokerParts,
  entry: ProviderEntry,
  { method, host, path }: { readonly method: string; readonly host?: string; readonly path: string },
): readonly string[] {
  const table = parts.catalogue.table(entry.id)
  const first = entry.api.origins[0]
  const at = host ?? (first === undefined ? undefined : new URL(first.origin).host)
  const scopes = table && at !== undefined ? match(table, method, at, path)?.operation.scopes : undefined
  return scopes?.allOf ?? scopes?.anyOf?.slice(0, 1) ?? []
}

async function ofProvider(
  parts: BrokerParts,
  caller: AgentCaller,
  provider: string,
  among: readonly ConnectionId[],
): Promise<readonly Connection[]> {
  if (among.length === 0) return []
  const page = await parts.store.asTenant(caller.tenant, rows => rows.connections.list({ provider, among, limit: 20 }))
  return page.rows.filter(connection => connection.status !== 'revoked')
}

/** What the caller could be granted: its user's connections, or machine connections for a token without a user. */
async function ownOf(parts: BrokerParts, caller: AgentCaller, provider: string): Promise<readonly Connection[]> {
  const page = await parts.store.asTenant(caller.tenant, rows =>
    rows.connections.list({ provider, limit: 200, ...(caller.user !== undefined && { user: caller.user }) }),
  )
  return page.rows.filter(
    connection => connection.user === caller.user && connection.status !== 'revoked' && connection.status !== 'pending',
  )
}
