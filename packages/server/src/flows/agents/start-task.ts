import { type Caller, clientOf } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { Failure, invalid } from '../../core/failure.ts'
import { isId, makeId } from '../../core/ids.ts'
import { isTaskLive, type Task } from '../../core/task.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { findUser } from '../users/save-user.ts'
import { issueTaskToken, type TaskTokenParts } from './issue-task-token.ts'
import type { IssuedToken } from './issue-token.ts'
import { isUnchanged, loadClient } from './load-client.ts'
import { sealTask } from './task-seal.ts'

/** What a body of `POST /v1/tasks` says. */
export interface TaskInput {
  readonly agent: string
  readonly user: { readonly external_id?: string; readonly id?: string }
  readonly purpose: string
  /** Milliseconds. */
  readonly expiresAt: number
}

export interface StartedTask {
  readonly task: Task
  readonly token: IssuedToken
}

/** A task is one run. What lasts longer than this is not one, and a forgotten one must end by itself (P4). */
const longestMs = 30 * 24 * 3_600_000

/**
 * Starts a task and gives the token for that agent, user and task. An app or operator may start one for any user of the
 * tenant; an agent only within a task of its own: the same agent, the same user, no longer than that one.
 */
export async function startTask(
  parts: TaskTokenParts & Pick<Parts, 'log'>,
  caller: Caller,
  input: TaskInput,
): Promise<StartedTask> {
  const now = parts.now()
  const purpose = input.purpose.trim()
  if (purpose === '' || purpose.length > 500 || !purpose.isWellFormed() || purpose.includes('\0'))
    throw invalid('/purpose', 'Say in 1 to 500 characters what the task is for.')
  if (!Number.isSafeInteger(input.expiresAt) || input.expiresAt <= now)
    throw invalid('/expires_at', 'The end of a task must lie in the future.')
  if (input.expiresAt - now > longestMs)
    throw invalid('/expires_at', 'A task may last 30 days at most. Choose an earlier end and start another one later.')
  const user = await findReachableUser(parts, caller, input)
  const agent = await findAgent(parts, caller, input.agent)
  if (agent.user !== undefined && agent.user !== user.id)
    throw invalid('/user', 'This agent belongs to another user and works for that one only.')
  // The issuer's first key is made in a transaction of its own.
  await parts.signers.of(caller.tenant)
  const task = await sealTask(parts, {
    id: makeId('tsk', now, parts.random(10)),
    tenant: caller.tenant,
    agent: agent.id as Task['agent'],
    user: user.id,
    purpose,
    createdBy: clientOf(caller),
    createdAt: now,
    expiresAt: input.expiresAt,
  })
  return parts.store.change(caller.tenant, async rows => {
    // Before the looks: see `endTask`.
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'task.created',
        outcome: 'ok',
        agent: task.agent,
        user: task.user,
        task: task.id,
        facts: { expires_at: new Date(task.expiresAt).toISOString() },
      }),
    ])
    if (!(await isUnchanged(rows, agent))) throw unknownAgent()
    if (caller.kind === 'agent') await withinOwnTask(caller, rows, input, now)
    await rows.tasks.insert(task)
    return { task, token: await issueTaskToken(parts, rows, caller, agent, task) }
  })
}

async function findReachableUser(parts: Pick<Parts, 'store' | 'vault' | 'log'>, caller: Caller, input: TaskInput) {
  if (caller.kind !== 'agent') return findUser(parts, caller, input.user)
  const unknown = () =>
    invalid('/user', 'No user by that reference is in reach of this token: use the user of its task.')
  if (caller.user === undefined || caller.task === undefined)
    throw new Failure(
      'validation_failed',
      'An agent starts a task only within one of its own: use the token of a task, or let the app start the task.',
      { errors: [{ pointer: '', detail: 'This token belongs to no task.' }] },
    )
  const user = await findUser(parts, caller, input.user).catch(() => {
    throw unknown()
  })
  if (user.id !== caller.user) throw unknown()
  return user
}

async function findAgent(parts: Pick<Parts, 'store' | 'vault' | 'log'>, caller: Caller, id: string): Promise<Client> {
  const isInReach = isId('agt', id) && (caller.kind !== 'agent' || caller.agent === id)
  const agent = isInReach ? await loadClient(parts, caller.tenant, id) : undefined
  if (agent === undefined) throw unknownAgent()
  return agent
}

function unknownAgent(): Failure {
  return invalid('/agent', 'No agent by that id is in reach of this token.')
}

async function withinOwnTask(
  caller: Extract<Caller, { kind: 'agent' }>,
  rows: TenantRows,
  input: TaskInput,
  now: number,
): Promise<void> {
  const own = caller.task === undefined ? undefined : await rows.tasks.get(caller.task)
  if (own === undefined || own.agent !== caller.agent || own.user !== caller.user || !isTaskLive(own, now))
    throw new Failure('unauthorized', 'The task of this token has ended.')
  if (input.expiresAt > own.expiresAt)
    throw invalid('/expires_at', `A task within this one ends by ${new Date(own.expiresAt).toISOString()}.`)
}
