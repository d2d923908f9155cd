import type { AgentCaller } from '../../core/caller.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import type { ConnectionId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { isGrantGenuine } from './grant-seal.ts'

/**
 * The connections that live grants of this agent name, with those grants. A token with a user reaches that user's
 * connections only; a token without one reaches what is granted unattended, and machine connections (CONTRACT 5).
 */
export async function reachOf(
  parts: Pick<Parts, 'store' | 'vault' | 'now'>,
  caller: AgentCaller,
): Promise<ReadonlyMap<ConnectionId, readonly Grant[]>> {
  const now = parts.now()
  const grants = await parts.store.asTenant(caller.tenant, rows => rows.grants.liveOfAgent(caller.agent, now))
  const reach = new Map<ConnectionId, Grant[]>()
  for (const grant of grants) {
    if (endOf(grant, now) !== undefined) continue
    if (grant.task !== undefined && grant.task !== caller.task) continue
    if (caller.user === undefined ? grant.user !== undefined && !grant.unattended : grant.user !== caller.user) continue
    if (!(await isGrantGenuine(parts, grant))) continue
    const known = reach.get(grant.connection)
    if (known === undefined) reach.set(grant.connection, [grant])
    else known.push(grant)
  }
  return reach
}
