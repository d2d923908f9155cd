import type { AgentCaller } from '../../core/caller.ts'
import { match } from '../../core/catalogue/match-operation.ts'
import type { ProviderEntry } from '../../core/catalogue/provider.ts'
import type { Connection } from '../../core/connection.ts'
import { Failure, notFound } from '../../core/failure.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import { type ConnectionId, isId } from '../../core/ids.ts'
import { isGrantGenuine } from '../grants/grant-seal.ts'
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
  const known = await ownOf(parts, caller, reference)
  const standing = caller.user === undefined ? await unattended(parts, caller, reference) : known
  const granted: Connection[] = []
  const withGrants: Connection[] = []
  for (const connection of standing) {
    const grants = await parts.store.asTenant(caller.tenant, rows => rows.grants.of(caller.agent, connection.id))
    if (grants.length > 0) withGrants.push(connection)
    if (await hasLiveGrant(parts, caller, connection, grants)) granted.push(connection)
  }
  if (granted.length === 1) return granted[0]!.id
  if (granted.length > 1) {
    throw new Failure('conflict', `Several connections of ${entry.name} are in reach. Name one of them by its id.`, {
      reasons: [
        {
          code: 'conflict',
          detail: `${granted.length} granted connections of ${entry.name} are in reach.`,
          fix: 'Name one of the candidates by its id.',
        },
      ],
      members: { candidates: granted.map(connection => connection.id) },
    })
  }
  // One on which this agent had a grant says more than one on which it never had any.
  const named = withGrants[0] ?? known[0]
  if (named !== undefined) return named.id
  throw new Failure('connection_required', `No ${entry.name} account is connected. Ask its owner to connect it.`, {
    reasons: [
      {
        code: 'connection_required',
        detail: `No ${entry.name} account is connected.`,
        fix: 'Ask its owner to connect it.',
      },
    ],
    members: { required_scopes: requiredScopes(parts, entry, call) },
  })
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

/** A live grant to this caller, as `decide` will count it, whose row is what we wrote. */
async function hasLiveGrant(
  parts: BrokerParts,
  caller: AgentCaller,
  connection: Connection,
  grants: readonly Grant[],
): Promise<boolean> {
  const now = parts.now()
  for (const grant of grants) {
    const counts =
      endOf(grant, now) === undefined &&
      grant.user === connection.user &&
      (caller.user !== undefined || connection.user === undefined || grant.unattended) &&
      (grant.task === undefined || grant.task === caller.task)
    if (counts && (await isGrantGenuine(parts, grant))) return true
  }
  return false
}

/** What the caller could be granted: its user's connections, or machine connections for a token without a user. */
async function ownOf(parts: BrokerParts, caller: AgentCaller, provider: string): Promise<readonly Connection[]> {
  const page = await parts.store.asTenant(caller.tenant, rows =>
    rows.connections.list({ provider, limit: 200, ...(caller.user !== undefined && { user: caller.user }) }),
  )
  return page.rows.filter(connection => connection.user === caller.user && isOffered(connection))
}

/** For a token without a user: what live grants of this agent name, machine connections and such marked unattended. */
async function unattended(parts: BrokerParts, caller: AgentCaller, provider: string): Promise<readonly Connection[]> {
  const now = parts.now()
  return parts.store.asTenant(caller.tenant, async rows => {
    const grants = await rows.grants.liveOfAgent(caller.agent, now)
    const counted = grants.filter(grant => grant.user === undefined || grant.unattended)
    const among = [...new Set(counted.map(grant => grant.connection))]
    if (among.length === 0) return []
    const page = await rows.connections.list({ provider, among, limit: 200 })
    return page.rows.filter(isOffered)
  })
}

function isOffered(connection: Connection): boolean {
  return connection.status !== 'revoked' && connection.status !== 'pending'
}
