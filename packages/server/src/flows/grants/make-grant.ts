import type { FieldFault } from '@valetkey/contract/errors'
import { type Caller, clientOf } from '../../core/caller.ts'
import { checkPattern } from '../../core/catalogue/pattern.ts'
import { Failure, invalid } from '../../core/failure.ts'
import type { Grant, GrantedResources, PathRule } from '../../core/grant.ts'
import {
  type AgentId,
  type AppId,
  type ConnectionId,
  makeId,
  type OperatorId,
  type TaskId,
  type UserId,
} from '../../core/ids.ts'
import { checkResources } from '../../core/permission/check-resources.ts'
import { checkPermissions } from '../../core/permission/permission.ts'
import { isTaskLive } from '../../core/task.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { providerWithoutDiscovery } from '../credentials/provider-of.ts'
import { entryOf } from '../integrations/save-integration.ts'
import { sealGrant } from './grant-seal.ts'

export interface GrantInput {
  /** Must be the connection's owner when given. */
  readonly user?: UserId
  readonly agent: AgentId
  readonly connection: ConnectionId
  readonly permissions: readonly string[]
  readonly paths: readonly PathRule[]
  /** Narrows the grant to calls on these. */
  readonly resources?: GrantedResources
  readonly expiresAt: number
  readonly idleTimeoutSeconds?: number
  readonly maxCalls?: number
  readonly unattended: boolean
  readonly task?: TaskId
}

const longestMs = 90 * 24 * 3_600_000
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Lets one agent do what is named on one connection, until a time that always comes (P4). */
export async function makeGrant(
  parts: Pick<Parts, 'store' | 'vault' | 'catalogue' | 'now' | 'random' | 'revocations'>,
  caller: Caller,
  input: GrantInput,
): Promise<Grant> {
  const grantedBy = clientOf(caller)
  if (caller.kind === 'agent') throw new TypeError('an agent cannot grant')
  const now = parts.now()
  if (input.permissions.length === 0 && input.paths.length === 0)
    throw invalid(
      '/permissions',
      'A grant needs permissions, paths or both. Name what the agent may do, e.g. ["provider:messages:list"].',
    )
  if (input.expiresAt <= now) throw invalid('/expires_at', 'The end of a grant must lie in the future.')
  if (input.expiresAt - now > longestMs)
    throw invalid('/expires_at', 'A grant may last 90 days at most. Choose an earlier end and renew it.')
  const found = await parts.store.asTenant(caller.tenant, async rows => {
    const connection = await rows.connections.get(input.connection)
    return {
      connection,
      integration: connection === undefined ? undefined : await rows.integrations.get(connection.integration),
      agent: await rows.clients.get(input.agent),
      task: input.task === undefined ? undefined : await rows.tasks.get(input.task),
    }
  })
  const { connection, integration, agent, task } = found
  if (agent === undefined || agent.kind !== 'agent' || agent.disabledAt !== undefined)
    throw invalid('/agent', 'No agent by that id.')
  if (
    connection === undefined ||
    integration === undefined ||
    connection.status === 'revoked' ||
    connection.status === 'pending'
  )
    throw invalid('/connection', 'No connection by that id.')
  if (input.user !== undefined && input.user !== connection.user)
    throw invalid('/user', 'Only the owner of a connection can grant access to it; this user is not its owner.')
  if (agent.user !== undefined && agent.user !== connection.user)
    throw invalid('/agent', 'This agent belongs to one user and can be granted connections of that user only.')
  if (input.task !== undefined) {
    if (task === undefined || task.agent !== input.agent || task.user !== connection.user)
      throw invalid('/task', 'No task of this agent and user by that id.')
    if (!isTaskLive(task, now)) throw invalid('/task', 'This task has ended. Start a new one.')
  }
  const entry = entryOf(parts, connection)
  const hosts = providerWithoutDiscovery(parts, integration).origins.map(origin => origin.host)
  const faults: FieldFault[] = [
    ...checkPermissions(input.permissions, entry),
    ...input.paths.flatMap((rule, index) => checkRule(rule, index, hosts)),
    ...(input.resources === undefined ? [] : checkResources(input.resources, entry)),
    ...(input.resources === undefined || input.permissions.length > 0 ? [] : [noPermissions]),
  ]
  if (faults.length > 0)
    throw new Failure('validation_failed', faults.map(fault => `${fault.pointer}: ${fault.detail}`).join(' '), {
      errors: faults,
    })
  const unsealed: Omit<Grant, 'mac'> = {
    id: makeId('grt', now, parts.random(10)),
    tenant: caller.tenant,
    ...(connection.user !== undefined && { user: connection.user }),
    agent: input.agent,
    connection: input.connection,
    permissions: input.permissions,
    paths: input.paths,
    ...(input.resources !== undefined && { resources: input.resources }),
    unattended: input.unattended,
    ...(input.task !== undefined && { task: input.task }),
    grantedBy: grantedBy as AppId | OperatorId,
    expiresAt: input.expiresAt,
    ...(input.idleTimeoutSeconds !== undefined && { idleTimeoutSeconds: input.idleTimeoutSeconds }),
    ...(input.maxCalls !== undefined && { maxCalls: input.maxCalls }),
    createdAt: now,
    calls: 0,
  }
  const grant = await sealGrant(parts, unsealed)
  await parts.store.change(caller.tenant, async rows => {
    await rows.grants.insert(grant)
    await rows.audit.append([
      eventOf(parts, caller, {
        type: 'grant.created',
        outcome: 'ok',
        ...(grant.user !== undefined && { user: grant.user }),
        agent: grant.agent,
        connection: grant.connection,
        provider: connection.provider,
        grant: grant.id,
        ...(grant.resources !== undefined && { resource_ids: Object.values(grant.resources).flat() }),
        ...(grant.task !== undefined && { task: grant.task }),
        facts: {
          permissions: grant.permissions,
          ...(grant.resources !== undefined && { resources: Object.keys(grant.resources) }),
          expires_at: new Date(grant.expiresAt).toISOString(),
          unattended: grant.unattended,
        },
      }),
    ])
  })
  parts.revocations.tell({ kind: 'changed', tenant: caller.tenant, connection: grant.connection, agent: grant.agent })
  return grant
}

const noPermissions: FieldFault = {
  pointer: '/permissions',
  detail:
    'A grant that is limited to single resources opens no "paths", for nobody knows where these name one. Name permissions.',
}

function checkRule(rule: PathRule, index: number, hosts: readonly string[]): FieldFault[] {
  const pointer = `/paths/${index}`
  const faults: FieldFault[] = []
  const unknown = rule.methods.filter(method => !methods.includes(method))
  if (rule.methods.length === 0 || unknown.length > 0)
    faults.push({ pointer: `${pointer}/methods`, detail: `Methods are ${methods.join(', ')}.` })
  if (rule.host !== undefined && !hosts.includes(rule.host))
    faults.push({
      pointer: `${pointer}/host`,
      detail: `This connection has no such host. It has ${hosts.join(', ') || 'none'}.`,
    })
  const why = checkPattern(rule.pattern)
  if (why !== undefined) faults.push({ pointer: `${pointer}/pattern`, detail: why })
  return faults
}
