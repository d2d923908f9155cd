import { notFound } from '../../../core/failure.ts'
import { isId } from '../../../core/ids.ts'
import { isTaskLive, type Task } from '../../../core/task.ts'
import { endTask } from '../../../flows/agents/end-task.ts'
import { renewTask } from '../../../flows/agents/renew-task.ts'
import { type StartedTask, startTask } from '../../../flows/agents/start-task.ts'
import { timeIn } from './register-api.ts'
import { type Call, created, object, ok, type Route, rfc3339, text, time, userReference } from './route.ts'

async function showTask(call: Pick<Call, 'parts' | 'tenant'>, task: Task): Promise<Record<string, unknown>> {
  const user = await call.parts.store.asTenant(call.tenant.id, rows => rows.users.get(task.user))
  return {
    id: task.id,
    agent: task.agent,
    user: user === undefined ? null : { id: user.id, external_id: user.externalId },
    purpose: task.purpose,
    status: isTaskLive(task, call.parts.now()) ? 'active' : 'ended',
    expires_at: rfc3339(task.expiresAt),
    ended_at: task.endedAt === undefined ? null : rfc3339(task.endedAt),
    created_by: task.createdBy,
    created_at: rfc3339(task.createdAt),
    updated_at: rfc3339(task.endedAt ?? task.createdAt),
  }
}

function tokenOf({ token }: StartedTask): Record<string, unknown> {
  return {
    access_token: token.accessToken.reveal(),
    token_type: 'Bearer',
    expires_in: token.expiresIn,
    scope: token.scopes.join(' '),
  }
}

export const tasksRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/tasks',
    summary: 'Start a task: the token for one agent, one user and one run.',
    scopes: ['tasks:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    body: object({ agent: text(), user: userReference, purpose: text(500), expires_at: time }, [
      'agent',
      'user',
      'purpose',
      'expires_at',
    ]),
    idempotent: { secrets: ['access_token'] },
    async handle(call) {
      const body = call.body as {
        agent: string
        user: { external_id?: string; id?: string }
        purpose: string
        expires_at: string
      }
      const started = await startTask(call.parts, call.caller, {
        agent: body.agent,
        user: body.user,
        purpose: body.purpose,
        expiresAt: timeIn(body.expires_at, '/expires_at'),
      })
      return created(`${call.baseUrl}/v1/tasks/${started.task.id}`, {
        ...(await showTask(call, started.task)),
        ...tokenOf(started),
      })
    },
  },
  {
    method: 'GET',
    path: '/v1/tasks/{id}',
    summary: 'Read one task.',
    scopes: ['tasks:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      const { id } = call.params
      const { caller } = call
      const task = isId('tsk', id)
        ? await call.parts.store.asTenant(call.tenant.id, rows => rows.tasks.get(id))
        : undefined
      if (task === undefined || (caller.kind === 'agent' && task.id !== caller.task)) throw notFound()
      return ok(await showTask(call, task))
    },
  },
  {
    method: 'POST',
    path: '/v1/tasks/{id}/end',
    summary: 'End a task: its tokens are refused and its grants end from now on.',
    scopes: ['tasks:write'],
    agentScopes: ['connections:use'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      return ok(await showTask(call, await endTask(call.parts, call.caller, call.params.id ?? '')))
    },
  },
  {
    method: 'POST',
    path: '/v1/tasks/{id}/renew',
    summary: 'A new token of a live task, for the agent itself.',
    scopes: ['connections:use'],
    clients: ['agent'],
    async handle(call) {
      const renewed = await renewTask(call.parts, call.caller, call.params.id ?? '')
      return ok({ ...(await showTask(call, renewed.task)), ...tokenOf(renewed) })
    },
  },
]
