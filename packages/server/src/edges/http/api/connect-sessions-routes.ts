import type { ConnectSession } from '../../../core/connect-session.ts'
import { notFound } from '../../../core/failure.ts'
import { isId } from '../../../core/ids.ts'
import { completeSession, sessionFor } from '../../../flows/connect/complete-session.ts'
import { openSession } from '../../../flows/connect/open-session.ts'
import { findUser } from '../../../flows/users/save-user.ts'
import { showConnection } from './connections-routes.ts'
import { type Call, created, object, ok, type Route, rfc3339, text, texts, userReference } from './route.ts'

async function showSession(call: Call, session: ConnectSession): Promise<Record<string, unknown>> {
  const user = await call.parts.store.asTenant(call.tenant.id, rows => rows.users.get(session.user))
  const late = call.parts.now() >= session.expiresAt && session.status !== 'completed' && session.status !== 'failed'
  return {
    id: session.id,
    user: user === undefined ? null : { id: user.id, external_id: user.externalId },
    integration: session.integration,
    scopes: session.scopes,
    resource_types: session.resourceTypes,
    return_to: session.returnTo ?? null,
    status: late ? 'expired' : session.status,
    error: session.error ?? null,
    connection: session.status === 'completed' ? (session.connection ?? null) : null,
    expires_at: rfc3339(session.expiresAt),
    created_at: rfc3339(session.createdAt),
    updated_at: rfc3339(session.createdAt),
  }
}

export const connectSessionsRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/connect-sessions',
    summary: 'Open one attempt of one person to connect one account: 15 minutes, one use.',
    scopes: ['connections:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    body: object(
      {
        user: userReference,
        integration: text(),
        scopes: texts(),
        resource_types: texts(),
        return_to: text(2000),
        connection: text(),
      },
      ['user', 'integration'],
    ),
    idempotent: { secrets: ['connect_url'] },
    async handle(call) {
      const body = call.body as {
        user: { external_id?: string; id?: string }
        integration: string
        scopes?: string[]
        resource_types?: string[]
        return_to?: string
        connection?: string
      }
      const user = await findUser(call.parts, call.caller, body.user)
      const { session, link } = await openSession(call.parts, call.caller, {
        user,
        integration: body.integration,
        ...(body.scopes !== undefined && { scopes: body.scopes }),
        ...(body.resource_types !== undefined && { resourceTypes: body.resource_types }),
        ...(body.return_to !== undefined && { returnTo: body.return_to }),
        ...(body.connection !== undefined && { repairs: body.connection }),
      })
      return created(`${call.baseUrl}/v1/connect-sessions/${session.id}`, {
        ...(await showSession(call, session)),
        connect_url: `${call.baseUrl}/connect/${link}`,
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/connect-sessions/{id}',
    summary: 'Where the attempt stands.',
    scopes: ['connections:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      const { id } = call.params
      if (!isId('ses', id)) throw notFound()
      return ok(await showSession(call, await sessionFor(call.parts, call.caller, id)))
    },
  },
  {
    method: 'POST',
    path: '/v1/connect-sessions/{id}/complete',
    summary: 'Say who is signed in at the app now; the connection becomes theirs if they began.',
    scopes: ['connections:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    body: object({ completion_code: text(200), user: userReference }, ['completion_code', 'user']),
    async handle(call) {
      const { id } = call.params
      if (!isId('ses', id)) throw notFound()
      const body = call.body as { completion_code: string; user: { external_id?: string; id?: string } }
      await sessionFor(call.parts, call.caller, id)
      const user = await findUser(call.parts, call.caller, body.user)
      const connection = await completeSession(call.parts, call.caller, id, {
        completionCode: body.completion_code,
        user,
      })
      return ok(await showConnection(call, connection))
    },
  },
]
