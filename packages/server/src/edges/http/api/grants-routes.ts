import type { Caller } from '../../../core/caller.ts'
import { invalid, notFound } from '../../../core/failure.ts'
import { endOf, type Grant, type GrantedResources, type PathRule } from '../../../core/grant.ts'
import { type AgentId, type ConnectionId, isId, type TaskId } from '../../../core/ids.ts'
import { endGrant } from '../../../flows/grants/end-grant.ts'
import { makeGrant } from '../../../flows/grants/make-grant.ts'
import { findUser } from '../../../flows/users/save-user.ts'
import { pageAnswer, pageOf } from './page.ts'
import { timeIn } from './register-api.ts'
import {
  type Call,
  count,
  created,
  object,
  ok,
  pageQuery,
  type Route,
  rfc3339,
  text,
  texts,
  time,
  userReference,
} from './route.ts'
import { userFilterOf, userQuery } from './user-filter.ts'

export async function showGrant(call: Pick<Call, 'parts' | 'tenant'>, grant: Grant): Promise<Record<string, unknown>> {
  const ended = endOf(grant, call.parts.now())
  const { user } = grant
  const owner =
    user === undefined ? undefined : await call.parts.store.asTenant(call.tenant.id, rows => rows.users.get(user))
  return {
    id: grant.id,
    user: owner === undefined ? null : { id: owner.id, external_id: owner.externalId },
    agent: grant.agent,
    connection: grant.connection,
    permissions: grant.permissions,
    paths: grant.paths.map(rule => ({
      methods: rule.methods,
      ...(rule.host !== undefined && { host: rule.host }),
      pattern: rule.pattern,
    })),
    resources: grant.resources ?? null,
    expires_at: rfc3339(grant.expiresAt),
    idle_timeout_seconds: grant.idleTimeoutSeconds ?? null,
    max_calls: grant.maxCalls ?? null,
    approval: 'none',
    unattended: grant.unattended,
    task: grant.task ?? null,
    granted_by: grant.grantedBy,
    status: ended === undefined ? 'active' : 'ended',
    ended_reason: ended ?? null,
    ended_at: grant.endedAt === undefined ? null : rfc3339(grant.endedAt),
    calls: grant.calls,
    last_used_at: grant.lastUsedAt === undefined ? null : rfc3339(grant.lastUsedAt),
    created_at: rfc3339(grant.createdAt),
    updated_at: rfc3339(grant.endedAt ?? grant.createdAt),
  }
}

/** An agent sees its own grants; with a user in its token only that user's. */
function maySee(caller: Caller, grant: Grant): boolean {
  if (caller.kind !== 'agent') return true
  if (grant.agent !== caller.agent) return false
  return caller.user === undefined ? grant.unattended || grant.user === undefined : grant.user === caller.user
}

export const grantsRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/grants',
    summary: 'Let an agent do what is named on one connection, until a time.',
    scopes: ['grants:write'],
    clients: ['app', 'operator'],
    body: object(
      {
        user: userReference,
        agent: text(),
        connection: text(),
        permissions: texts(200),
        paths: {
          type: 'array',
          maxItems: 100,
          items: object(
            {
              methods: { type: 'array', minItems: 1, maxItems: 8, items: text(10) },
              host: text(),
              pattern: text(1000),
            },
            ['methods', 'pattern'],
          ),
        },
        resources: {
          type: 'object',
          maxProperties: 20,
          additionalProperties: { type: 'array', minItems: 1, maxItems: 200, items: text(512) },
        },
        expires_at: time,
        idle_timeout_seconds: count,
        max_calls: count,
        approval: { type: 'string', enum: ['none', 'writes', 'always'] },
        unattended: { type: 'boolean' },
        task: text(),
      },
      ['agent', 'connection', 'expires_at'],
    ),
    idempotent: { secrets: [] },
    async handle(call) {
      const body = call.body as {
        user?: { external_id?: string; id?: string }
        agent: string
        connection: string
        permissions?: string[]
        paths?: PathRule[]
        resources?: GrantedResources
        expires_at: string
        idle_timeout_seconds?: number
        max_calls?: number
        approval?: string
        unattended?: boolean
        task?: string
      }
      // A narrowing that we cannot enforce yet is refused, never ignored.
      if (body.approval !== undefined && body.approval !== 'none')
        throw invalid('/approval', 'Approval by the owner is not available yet. Use "none", and grant reads only.')
      const user = body.user === undefined ? undefined : await findUser(call.parts, call.caller, body.user)
      const grant = await makeGrant(call.parts, call.caller, {
        ...(user !== undefined && { user: user.id }),
        agent: body.agent as AgentId,
        connection: body.connection as ConnectionId,
        permissions: body.permissions ?? [],
        paths: body.paths ?? [],
        ...(body.resources !== undefined && { resources: body.resources }),
        expiresAt: timeIn(body.expires_at, '/expires_at'),
        ...(body.idle_timeout_seconds !== undefined && { idleTimeoutSeconds: body.idle_timeout_seconds }),
        ...(body.max_calls !== undefined && { maxCalls: body.max_calls }),
        unattended: body.unattended ?? false,
        ...(body.task !== undefined && { task: body.task as TaskId }),
      })
      return created(`${call.baseUrl}/v1/grants/${grant.id}`, await showGrant(call, grant))
    },
  },
  {
    method: 'GET',
    path: '/v1/grants',
    summary: 'List grants.',
    scopes: ['grants:read'],
    clients: ['app', 'operator', 'agent'],
    query: {
      ...pageQuery,
      ...userQuery,
      agent: text(),
      connection: text(),
      task: text(),
      status: { type: 'string', enum: ['active', 'ended'] },
    },
    async handle(call) {
      const { query, caller } = call
      const asked = await userFilterOf(call)
      if (asked === 'nobody') return ok({ data: [], next_cursor: null })
      const user = caller.kind === 'agent' && caller.user !== undefined ? { user: caller.user } : asked
      const agent = caller.kind === 'agent' ? caller.agent : query.agent
      const filter = {
        ...pageOf(call),
        ...user,
        ...(agent !== undefined && { agent: agent as AgentId }),
        ...(query.connection !== undefined && { connection: query.connection as ConnectionId }),
        ...(query.task !== undefined && { task: query.task as TaskId }),
        ...(query.status !== undefined && { status: query.status as 'active' | 'ended' }),
        now: call.parts.now(),
      }
      const page = await call.parts.store.asTenant(call.tenant.id, rows => rows.grants.list(filter))
      return pageAnswer({ ...page, rows: page.rows.filter(row => maySee(caller, row)) }, row => showGrant(call, row))
    },
  },
  {
    method: 'GET',
    path: '/v1/grants/{id}',
    summary: 'Read one grant.',
    scopes: ['grants:read'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      const { id } = call.params
      const row = isId('grt', id)
        ? await call.parts.store.asTenant(call.tenant.id, rows => rows.grants.get(id))
        : undefined
      if (row === undefined || !maySee(call.caller, row)) throw notFound()
      return ok(await showGrant(call, row))
    },
  },
  {
    method: 'DELETE',
    path: '/v1/grants/{id}',
    summary: 'End a grant now. When this answers, no call passes under it.',
    scopes: ['grants:write'],
    clients: ['app', 'operator'],
    async handle(call) {
      const { id } = call.params
      if (!isId('grt', id)) throw notFound()
      return ok(await showGrant(call, await endGrant(call.parts, call.caller, id)))
    },
  },
]
