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
}

/** Whether the task still bounds anything at `now`. */
export function isTaskLive(task: Task, now: number): boolean {
  return task.endedAt === undefined && now < task.expiresAt
}
