import type { Caller } from '../../../core/caller.ts'
import type { ProviderEntry } from '../../../core/catalogue/provider.ts'
import type { Connection, ConnectionStatus } from '../../../core/connection.ts'
import { Failure, notFound } from '../../../core/failure.ts'
import { type ConnectionId, type IntegrationId, isId } from '../../../core/ids.ts'
import { resourceTypesOf } from '../../../core/permission/scopes.ts'
import { checkConnection } from '../../../flows/credentials/check-connection.ts'
import { disconnect } from '../../../flows/credentials/disconnect.ts'
import { renewNow } from '../../../flows/credentials/renew-now.ts'
import { reachOf } from '../../../flows/grants/reach.ts'
import { pageAnswer, pageOf } from './page.ts'
import { type Call, ok, pageQuery, type Route, rfc3339, text } from './route.ts'
import { userFilterOf, userQuery } from './user-filter.ts'

/** Everything about a connection but its secrets. */
export async function showConnection(
  call: Pick<Call, 'parts' | 'tenant'>,
  connection: Connection,
): Promise<Record<string, unknown>> {
  const { user } = connection
  const { owner, credential } = await call.parts.store.asTenant(call.tenant.id, async rows => ({
    owner: user === undefined ? undefined : await rows.users.get(user),
    credential: await rows.credentials.get(connection.id),
  }))
  const entry = call.parts.catalogue.get(connection.provider)
  return {
    id: connection.id,
    user: owner === undefined ? null : { id: owner.id, external_id: owner.externalId },
    integration: connection.integration,
    provider: connection.provider,
    status: connection.status,
    reason: connection.reason ?? null,
    // Until the right person has ended the flow, nobody learns whose account answered.
    account_label: connection.status === 'pending' ? null : (connection.accountLabel ?? null),
    scopes: connection.scopes,
    missing_scopes: missingScopesOf(connection, entry),
    resource_types: entry === undefined ? [] : resourceTypesOf(entry, connection.scopes),
    credential: {
      kind: connection.kind,
      expires_at: credential?.accessExpiresAt === undefined ? null : rfc3339(credential.accessExpiresAt),
      last_refreshed_at: credential?.lastRefreshedAt === undefined ? null : rfc3339(credential.lastRefreshedAt),
      generation: credential?.generation ?? 0,
    },
    last_used_at: connection.lastUsedAt === undefined ? null : rfc3339(connection.lastUsedAt),
    created_at: rfc3339(connection.createdAt),
    updated_at: rfc3339(connection.updatedAt),
  }
}

/** What was asked for and not granted. Scopes that only tell which account it is come back under other names, or not at all. */
function missingScopesOf(connection: Connection, entry: ProviderEntry | undefined): readonly string[] {
  const silent = new Set([...(entry?.oauth.identityScopes ?? []), 'openid', 'offline_access'])
  return connection.requestedScopes.filter(scope => !connection.scopes.includes(scope) && !silent.has(scope))
}

/** One connection in reach of the caller, else 404 with the same bytes as unknown. */
async function find(call: Call): Promise<Connection> {
  const { id } = call.params
  const row = isId('con', id)
    ? await call.parts.store.asTenant(call.tenant.id, rows => rows.connections.get(id))
    : undefined
  if (row === undefined || row.status === 'revoked' || !(await inReach(call, call.caller, row.id))) throw notFound()
  return row
}

/** One that a flow has finished. A pending one belongs to its connect session, which completes or erases it. */
async function findSettled(call: Call): Promise<Connection> {
  const connection = await find(call)
  if (connection.status === 'pending')
    throw new Failure(
      'connection_required',
      'This connection is not completed yet. Complete its connect session, or let that end: what it holds is then erased.',
    )
  return connection
}

async function inReach(call: Call, caller: Caller, id: ConnectionId): Promise<boolean> {
  return caller.kind !== 'agent' || (await reachOf(call.parts, caller)).has(id)
}

export const connectionsRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/connections',
    summary: 'List connections. An agent sees those that a live grant of its names.',
    scopes: ['connections:read'],
    clients: ['app', 'operator', 'agent'],
    query: {
      ...pageQuery,
      ...userQuery,
      integration: text(),
      provider: text(),
      status: { type: 'string', enum: ['pending', 'active', 'needs_reauth', 'error', 'revoked', 'disabled'] },
    },
    async handle(call) {
      const { query, caller } = call
      const user = await userFilterOf(call)
      if (user === 'nobody') return ok({ data: [], next_cursor: null })
      const among = caller.kind === 'agent' ? [...(await reachOf(call.parts, caller)).keys()] : undefined
      const filter = {
        ...pageOf(call),
        ...user,
        ...(query.integration !== undefined && { integration: query.integration as IntegrationId }),
        ...(query.provider !== undefined && { provider: query.provider }),
        ...(query.status !== undefined && { status: query.status as ConnectionStatus }),
        ...(among !== undefined && { among }),
      }
      return pageAnswer(await call.parts.store.asTenant(call.tenant.id, rows => rows.connections.list(filter)), row =>
        showConnection(call, row),
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/connections/{id}',
    summary: 'Read one connection: everything but its secrets.',
    scopes: ['connections:read'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      return ok(await showConnection(call, await find(call)))
    },
  },
  {
    method: 'POST',
    path: '/v1/connections/{id}/refresh',
    summary: 'Renew the credential now.',
    scopes: ['connections:write'],
    clients: ['app', 'operator'],
    async handle(call) {
      const connection = await findSettled(call)
      await renewNow(call.parts, call.caller, connection.id)
      return ok(await showConnection(call, await find(call)))
    },
  },
  {
    method: 'GET',
    path: '/v1/connections/{id}/check',
    summary: 'Prove that the connection works, without data.',
    scopes: ['connections:write'],
    clients: ['app', 'operator'],
    async handle(call) {
      return ok({ ...(await checkConnection(call.parts, call.caller, (await findSettled(call)).id)) })
    },
  },
  {
    method: 'DELETE',
    path: '/v1/connections/{id}',
    summary: 'Disconnect: revoke upstream where possible, destroy the sealed material, say what else died.',
    scopes: ['connections:write'],
    clients: ['app', 'operator'],
    async handle(call) {
      const ended = await disconnect(call.parts, call.caller, (await findSettled(call)).id)
      return ok({
        ...(await showConnection(call, ended.connection)),
        revoked: ended.revoked,
        also_revoked: ended.alsoRevoked,
        erased: true,
      })
    },
  },
]
