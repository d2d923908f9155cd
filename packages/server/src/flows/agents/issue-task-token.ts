import type { Caller } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { Failure } from '../../core/failure.ts'
import type { Task } from '../../core/task.ts'
import { baseUrlOf } from '../../core/tenant.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { type IssuedToken, issueToken, lifetimeOf, type TokenParts } from './issue-token.ts'

export type TaskTokenParts = TokenParts & Pick<Parts, 'store' | 'vault'>

/**
 * The token for the agent, user and task of `task`, in the transaction that started or renewed it. It ends with the task
 * at the latest, and what an agent asks with a narrowed token is no wider than that token (row 27).
 */
export async function issueTaskToken(
  parts: TaskTokenParts,
  rows: TenantRows,
  caller: Caller,
  agent: Client,
  task: Task,
): Promise<IssuedToken> {
  const tenant = await rows.tenantRow()
  if (tenant === undefined) throw new Failure('unavailable', 'The tenant of this token cannot be read. Try again.')
  const left = Math.floor((task.expiresAt - parts.now()) / 1000)
  return issueToken(
    parts,
    {
      tenant,
      client: agent,
      audience: baseUrlOf(tenant, parts.config.url),
      scopes: caller.kind === 'agent' ? agent.scopes.filter(scope => caller.scopes.has(scope)) : agent.scopes,
      lifetimeSeconds: Math.min(lifetimeOf(agent), left),
      onBehalfOf: { user: task.user, task: task.id },
    },
    { requestId: caller.requestId, ...(caller.ip !== undefined && { ip: caller.ip }) },
    event => rows.audit.append([event]),
  )
}
