import { createHash } from 'node:crypto'
import { type Caller, clientOf } from '../../core/caller.ts'
import type { ConnectSession } from '../../core/connect-session.ts'
import { Failure, invalid } from '../../core/failure.ts'
import { type ConnectionId, type IntegrationId, isId, makeId } from '../../core/ids.ts'
import { minimalScopes } from '../../core/permission/scopes.ts'
import type { User } from '../../core/user.ts'
import type { Parts } from '../../parts.ts'
import { loadClient } from '../agents/load-client.ts'
import { eventOf } from '../audit/event.ts'
import { missingOf } from '../integrations/missing-of.ts'
import { entryOf } from '../integrations/save-integration.ts'
import { isReturnToAllowed } from './return-to.ts'

export interface OpenSession {
  readonly user: User
  readonly integration: string
  readonly scopes?: readonly string[]
  readonly resourceTypes?: readonly string[]
  readonly returnTo?: string
  /** A connection to widen or repair. */
  readonly repairs?: string
}

/** 15 minutes from the link to the end of `complete`. */
const lifetimeMs = 15 * 60_000

/**
 * Opens one attempt of one person to connect one account. The link's secret is returned once; the database holds its
 * hash. Who may end the flow is decided at `complete`, never by holding the link (row 2).
 */
export async function openSession(
  parts: Pick<Parts, 'store' | 'vault' | 'catalogue' | 'now' | 'random' | 'log'>,
  caller: Caller,
  input: OpenSession,
): Promise<{ readonly session: ConnectSession; readonly link: string }> {
  if (caller.kind === 'agent' && caller.user !== input.user.id)
    throw invalid('/user', 'An agent can open a connect session only for the user of its token.')
  const creator = await loadClient(parts, caller.tenant, clientOf(caller))
  const { integration, repaired } = await parts.store.asTenant(caller.tenant, async rows => ({
    integration: isId('int', input.integration)
      ? await rows.integrations.get(input.integration as IntegrationId)
      : undefined,
    repaired:
      input.repairs !== undefined && isId('con', input.repairs)
        ? await rows.connections.get(input.repairs as ConnectionId)
        : undefined,
  }))
  if (integration === undefined) throw invalid('/integration', 'No integration by that id.')
  if (creator === undefined) throw new Failure('unauthorized', 'The client of this token no longer exists.')
  const missing = missingOf(parts, integration)
  if (missing.length > 0)
    throw new Failure(
      'conflict',
      `This integration is incomplete: ${missing.join(', ')} missing. An operator completes it with PATCH /v1/integrations/${integration.id}.`,
    )
  if (
    input.repairs !== undefined &&
    (repaired === undefined ||
      repaired.user !== input.user.id ||
      repaired.integration !== integration.id ||
      repaired.status === 'revoked')
  )
    throw invalid('/connection', 'No connection of this user at this integration by that id.')
  if (input.returnTo !== undefined && !isReturnToAllowed(input.returnTo, creator))
    throw invalid('/return_to', returnToAdvice[creator.kind])
  const entry = entryOf(parts, integration)
  for (const type of input.resourceTypes ?? [])
    if (!Object.hasOwn(entry.resourceTypes, type))
      throw invalid(
        '/resource_types',
        `${entry.name} has no resource type "${type}". It has ${Object.keys(entry.resourceTypes).join(', ')}.`,
      )
  const known = new Set(entry.scopes.map(scope => scope.name))
  const identity = entry.oauth.identityScopes ?? []
  const asked =
    input.scopes ?? (input.resourceTypes !== undefined ? minimalScopes(entry, input.resourceTypes, 'read') : undefined)
  const unknown = (input.scopes ?? []).filter(
    scope =>
      known.size > 0 &&
      !known.has(scope) &&
      !identity.includes(scope) &&
      scope !== 'offline_access' &&
      !integration.scopes.includes(scope),
  )
  if (unknown.length > 0)
    throw invalid(
      '/scopes',
      `${entry.name} has no scope ${unknown.join(', ')}. GET /v1/providers/${entry.id} lists its scopes.`,
    )
  const usual =
    integration.scopes.length > 0 ? integration.scopes : minimalScopes(entry, Object.keys(entry.resourceTypes), 'read')
  const scopes = [...new Set([...identity, ...(asked ?? usual), ...(repaired?.scopes ?? [])])]
  const now = parts.now()
  const link = parts.random(32).toString('base64url')
  const session: ConnectSession = {
    id: makeId('ses', now, parts.random(10)),
    tenant: caller.tenant,
    user: input.user.id,
    integration: integration.id,
    scopes,
    resourceTypes: input.resourceTypes ?? [],
    ...(input.returnTo !== undefined && { returnTo: input.returnTo }),
    ...(repaired !== undefined && { repairs: repaired.id }),
    createdBy: clientOf(caller),
    status: 'open',
    linkHash: hashOf(link),
    completionFailures: 0,
    createdAt: now,
    expiresAt: now + lifetimeMs,
  }
  await parts.store.change(caller.tenant, async rows => {
    await rows.sessions.insert(session)
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'connection.started',
        outcome: 'ok',
        user: session.user,
        integration: integration.id,
        provider: integration.provider,
        facts: { session: session.id, scopes },
      }),
    ])
  })
  return { session, link }
}

const returnToAdvice = {
  app: 'This URL is not one of the return_to_urls registered for the app. Register it exactly (a loopback IP may use any port; any query).',
  operator: 'An operator sends people back to a loopback IP only, e.g. http://127.0.0.1:9999/done.',
  agent: 'An agent has nowhere to send people. Leave return_to out.',
} as const

/** What is stored of every secret of a flow: SHA-256, base64url (row 26). All of them have 256 random bits. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}
