import type { AgentId, AppId, ConnectionId, GrantId, OperatorId, TaskId, TenantId, UserId } from './ids.ts'

/** A `paths` rule: opens only what no catalogued operation matches on that host. */
export interface PathRule {
  readonly methods: readonly string[]
  /** Host of the entry; the first origin's when left out. */
  readonly host?: string
  /** Literals, `{name}` one segment, `**` the rest. */
  readonly pattern: string
}

/** Ids by resource type. */
export type GrantedResources = Readonly<Record<string, readonly string[]>>

/** What one user lets one agent do on one connection, until when. */
export interface Grant {
  readonly id: GrantId
  readonly tenant: TenantId
  /** None on machine connections. */
  readonly user?: UserId
  readonly agent: AgentId
  readonly connection: ConnectionId
  readonly permissions: readonly string[]
  readonly paths: readonly PathRule[]
  /** When there: only calls all of whose resources of these types are listed, and that name one at all. */
  readonly resources?: GrantedResources
  readonly unattended: boolean
  readonly task?: TaskId
  readonly grantedBy: AppId | OperatorId
  readonly expiresAt: number
  readonly idleTimeoutSeconds?: number
  readonly maxCalls?: number
  readonly createdAt: number
  readonly endedAt?: number
  readonly endedReason?:
    | 'expired'
    | 'idle'
    | 'budget'
    | 'task_ended'
    | 'revoked'
    | 'connection_ended'
    | 'user_deleted'
    | 'agent_deleted'
  readonly calls: number
  readonly lastUsedAt?: number
  /** Keyed MAC over everything that decides (`grantTuple`), so that a writer to the database cannot re-own or widen. */
  readonly mac: string
}

/** The members that the MAC covers, in a fixed order. Never `calls` or `lastUsedAt`, which change with use. */
export function grantTuple(grant: Omit<Grant, 'mac' | 'calls' | 'lastUsedAt'>): (string | number | undefined)[] {
  return [
    'grant/1',
    grant.tenant,
    grant.id,
    grant.user,
    grant.agent,
    grant.connection,
    JSON.stringify(grant.permissions),
    JSON.stringify(grant.paths.map(rule => [rule.methods, rule.host ?? null, rule.pattern])),
    grant.resources === undefined ? undefined : JSON.stringify(Object.entries(grant.resources).toSorted(byType)),
    grant.unattended ? 1 : 0,
    grant.task,
    grant.grantedBy,
    grant.expiresAt,
    grant.idleTimeoutSeconds,
    grant.maxCalls,
    grant.createdAt,
    grant.endedAt,
    grant.endedReason,
  ]
}

/** The order of types is not the writer's: a database may give members back in another. */
function byType([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}

/** Why a grant no longer counts at `now`, or undefined while it is live. Pure: time is given. */
export function endOf(grant: Grant, now: number): Grant['endedReason'] | undefined {
  if (grant.endedAt !== undefined) return grant.endedReason ?? 'revoked'
  if (now >= grant.expiresAt) return 'expired'
  if (grant.maxCalls !== undefined && grant.calls >= grant.maxCalls) return 'budget'
  const idleSince = grant.lastUsedAt ?? grant.createdAt
  if (grant.idleTimeoutSeconds !== undefined && now - idleSince >= grant.idleTimeoutSeconds * 1000) return 'idle'
  return undefined
}
