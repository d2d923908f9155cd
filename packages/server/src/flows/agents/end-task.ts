import type { Caller } from '../../core/caller.ts'
import { notFound } from '../../core/failure.ts'
import type { Grant } from '../../core/grant.ts'
import { isId } from '../../core/ids.ts'
import { isTaskLive, type Task } from '../../core/task.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { endGrants, tellGrants } from './end-grants.ts'

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
  const now = parts.now()
  const ended = await parts.store.change(caller.tenant, async rows => {
    const task = await rows.tasks.get(id)
    if (task === undefined || !mayEnd(caller, task)) throw notFound()
    if (!isTaskLive(task, now)) return { task, tasks: [], grants: [] }
    const tasks = [task, ...(await startedWithin(rows, task, now))]
    const grants: Grant[] = []
    for (const each of tasks) {
      await rows.tasks.end(each.id, now)
      await rows.audit.append([
        eventOf(parts, caller, {
          type: 'task.ended',
          outcome: 'ok',
          agent: each.agent,
          user: each.user,
          task: each.id,
          facts: { reason: each.id === task.id ? 'by_hand' : 'its_task_ended' },
        }),
      ])
      grants.push(...(await endGrants(parts, rows, caller, await grantsOf(rows, each, now), 'task_ended')))
    }
    return { task: { ...task, endedAt: now }, tasks, grants }
  })
  for (const task of ended.tasks) parts.revocations.tell({ kind: 'task', tenant: caller.tenant, id: task.id })
  tellGrants(parts, ended.grants)
  return ended.task
}

/** An agent ends the task of its token, or one that it started within it; for all others there is no such task. */
function mayEnd(caller: Caller, task: Task): boolean {
  if (caller.kind !== 'agent') return true
  if (task.agent !== caller.agent || task.user !== caller.user) return false
  return caller.task === task.id || (caller.task !== undefined && task.createdBy === caller.agent)
}

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
      const isWithin = other.createdBy === task.agent && other.createdAt >= task.createdAt
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
