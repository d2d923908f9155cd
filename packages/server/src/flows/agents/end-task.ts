import type { AuditEvent } from '@valetkey/contract/events'
import type { Caller } from '../../core/caller.ts'
import { Failure, notFound } from '../../core/failure.ts'
import type { Grant } from '../../core/grant.ts'
import { isId, type TaskId } from '../../core/ids.ts'
import { isTaskLive, type Task } from '../../core/task.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { endedForms, storeEnded, tellGrants } from './end-grants.ts'
import { sealTask } from './task-seal.ts'

/**
 * Ends a task: when this returns its tokens are refused, and the grants bound to it are ended (P4). What its agent
 * started for the same user since then ends too, for else an agent could outlive its task in one of its own making.
 * Ending what has ended changes nothing and returns it.
 */
export async function endTask(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random' | 'revocations'>,
  caller: Caller,
  id: string,
): Promise<Task> {
  if (!isId('tsk', id)) throw notFound()
  for (let attempt = 0; attempt < 5; attempt++) {
    const now = parts.now()
    const before = await parts.store.asTenant(caller.tenant, rows => read(rows, caller, id, now))
    if (before.tasks.length === 0) return before.task
    const grants = await endedForms(parts, before.grants, 'task_ended')
    const ended = await Promise.all(before.tasks.map(task => sealTask(parts, { ...task, endedAt: now })))
    const macs = new Map(ended.map(task => [task.id, task.mac]))
    const isDone = await parts.store
      .change(caller.tenant, async rows => {
        // First of all, because the log's stream is locked by it: who starts a task within this one takes the same lock
        // before it looks whether this one lives, so that neither can miss the other.
        await rows.audit.append([endedEvent(parts, caller, before.task, 'by_hand')])
        const current = await read(rows, caller, id, now)
        const isKnown = (task: Task) => before.tasks.some(other => other.id === task.id)
        if (current.tasks.length === 0 || !current.tasks.every(isKnown)) throw new Moved()
        if (!(await storeEnded(parts, rows, caller, grants, current.grants))) throw new Moved()
        for (const task of current.tasks) {
          await rows.tasks.end(task.id, now, macs.get(task.id)!)
          if (task.id !== id) await rows.audit.append([endedEvent(parts, caller, task, 'its_task_ended')])
        }
        return true
      })
      .catch(thrown => {
        if (thrown instanceof Moved) return false
        throw thrown
      })
    if (!isDone) continue
    for (const task of before.tasks) parts.revocations.tell({ kind: 'task', tenant: caller.tenant, id: task.id })
    tellGrants(parts, grants)
    return { ...before.task, endedAt: now }
  }
  throw new Failure('conflict', 'Tasks or grants are being added to this task at the same time. Try again.')
}

/** What was read before the transaction is not what is there within it: nothing is stored, and it is read again. */
class Moved extends Error {}

function endedEvent(
  parts: Pick<Parts, 'now' | 'random'>,
  caller: Caller,
  task: Task,
  reason: 'by_hand' | 'its_task_ended',
): AuditEvent {
  const { agent, user, id } = task
  return eventOf(parts, caller, { type: 'task.ended', outcome: 'ok', agent, user, task: id, facts: { reason } })
}

/** The task, what ends with it and the grants bound to any of these; no tasks when it has ended already. */
async function read(rows: TenantRows, caller: Caller, id: TaskId, now: number) {
  const task = await rows.tasks.get(id)
  if (task === undefined || !mayEnd(caller, task)) throw notFound()
  const tasks = isTaskLive(task, now) ? [task, ...(await startedWithin(rows, task, now))] : []
  const grants: Grant[] = []
  for (const each of tasks) grants.push(...(await grantsOf(rows, each, now)))
  return { task, tasks, grants }
}

/** An agent ends the task of its token, or one that it started within it; for all others there is no such task. */
function mayEnd(caller: Caller, task: Task): boolean {
  if (caller.kind !== 'agent') return true
  if (task.agent !== caller.agent || task.user !== caller.user) return false
  return caller.task === task.id || (caller.task !== undefined && task.createdBy === caller.agent)
}

// Nodes' clocks differ a little, and one too many is better than one that lives on.
const clockSkewMs = 60_000

async function startedWithin(rows: TenantRows, task: Task, now: number): Promise<Task[]> {
  const found: Task[] = []
  let cursor: string | undefined
  do {
    const page = await rows.tasks.list({
      agent: task.agent,
      user: task.user,
      limit: 200,
      ...(cursor !== undefined && { cursor }),
    })
    for (const other of page.rows) {
      const isWithin = other.createdBy === task.agent && other.createdAt >= task.createdAt - clockSkewMs
      if (isWithin && other.id !== task.id && isTaskLive(other, now)) found.push(other)
    }
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return found
}

async function grantsOf(rows: TenantRows, task: Task, now: number): Promise<Grant[]> {
  const found: Grant[] = []
  let cursor: string | undefined
  do {
    const page = await rows.grants.list({
      task: task.id,
      status: 'active',
      now,
      limit: 200,
      ...(cursor !== undefined && { cursor }),
    })
    found.push(...page.rows)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return found
}
