import { lengthPrefixed } from '../../core/length-prefixed.ts'
import { type Task, taskTuple } from '../../core/task.ts'
import type { Parts } from '../../parts.ts'

/** Puts the keyed MAC on a task, over everything that decides. The vault is asked outside of transactions only. */
export async function sealTask(parts: Pick<Parts, 'vault'>, task: Omit<Task, 'mac'>): Promise<Task> {
  return { ...task, mac: await parts.vault.mac(task.tenant, 'task', lengthPrefixed(taskTuple(task))) }
}

/**
 * The task if its row is what we wrote. One that a writer to the database gave to another user or agent, lengthened or
 * set alive again counts as ended, and the log says so (P6).
 */
export async function genuineTask(
  parts: Pick<Parts, 'vault' | 'log'>,
  task: Task | undefined,
): Promise<Task | undefined> {
  if (task === undefined) return undefined
  if (await parts.vault.verifyMac(task.tenant, 'task', lengthPrefixed(taskTuple(task)), task.mac)) return task
  parts.log.error('The row of a task was altered outside Valetkey; it counts as ended', {
    tenant: task.tenant,
    task: task.id,
  })
  return undefined
}
