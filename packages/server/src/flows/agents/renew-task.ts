import type { Caller } from '../../core/caller.ts'
import { Failure, notFound } from '../../core/failure.ts'
import { isId } from '../../core/ids.ts'
import { isTaskLive } from '../../core/task.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { issueTaskToken, type TaskTokenParts } from './issue-task-token.ts'
import { isUnchanged, loadClient } from './load-client.ts'
import type { StartedTask } from './start-task.ts'
import { genuineTask } from './task-seal.ts'

/**
 * A new token for a task that still lives: for its agent, by that agent's client credentials token or by the task's own
 * token. Past the end of the task 410 `expired`.
 */
export async function renewTask(
  parts: TaskTokenParts & Pick<Parts, 'log'>,
  caller: Caller,
  id: string,
): Promise<StartedTask> {
  if (caller.kind !== 'agent' || !isId('tsk', id)) throw notFound()
  // A token of another task must not become one of this task, even when agent and user are the same.
  if (caller.task !== undefined && caller.task !== id) throw notFound()
  const agent = await loadClient(parts, caller.tenant, caller.agent)
  if (agent === undefined) throw notFound()
  await parts.signers.of(caller.tenant)
  const genuine = await genuineTask(parts, await parts.store.asTenant(caller.tenant, rows => rows.tasks.get(id)))
  return parts.store.change(caller.tenant, async rows => {
    const task = await rows.tasks.get(id)
    if (task === undefined || task.agent !== caller.agent || !(await isUnchanged(rows, agent))) throw notFound()
    // Between the two looks it can only have been ended by us.
    if (genuine === undefined || (task.mac !== genuine.mac && task.endedAt === undefined)) throw notFound()
    if (caller.user !== undefined && caller.user !== task.user) throw notFound()
    if (!isTaskLive(task, parts.now())) throw new Failure('expired', 'This task has ended. Start a new one.')
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'task.renewed',
        outcome: 'ok',
        agent: task.agent,
        user: task.user,
        task: task.id,
      }),
    ])
    return { task, token: await issueTaskToken(parts, rows, caller, agent, task) }
  })
}
