import type { AgentId, AppId, OperatorId, TaskId, TenantId, UserId } from './ids.ts'

/** One run of an agent for one user: bounds tokens and grants in time. */
export interface Task {
  readonly id: TaskId
  readonly tenant: TenantId
  readonly agent: AgentId
  readonly user: UserId
  readonly purpose: string
  readonly createdBy: AppId | OperatorId | AgentId
  readonly createdAt: number
  readonly expiresAt: number
  readonly endedAt?: number
  /** Keyed MAC over everything that decides (`taskTuple`), so that a writer to the database cannot re-own or lengthen. */
  readonly mac: string
}

/** The members that the MAC covers, in a fixed order. */
export function taskTuple(task: Omit<Task, 'mac'>): (string | number | undefined)[] {
  const { tenant, id, agent, user, purpose, createdBy, createdAt, expiresAt, endedAt } = task
  return ['task/1', tenant, id, agent, user, purpose, createdBy, createdAt, expiresAt, endedAt]
}

/** Whether the task still bounds anything at `now`. */
export function isTaskLive(task: Omit<Task, 'mac'>, now: number): boolean {
  return task.endedAt === undefined && now < task.expiresAt
}
