/** The closed list of audit event types. A new type is a new row here. */
export const eventTypes = [
  'connection.started',
  'connection.refused',
  'connection.created',
  'connection.refreshed',
  'connection.refresh_failed',
  'connection.needs_reauth',
  'connection.recovered',
  'connection.scopes_changed',
  'connection.revoked',
  'connection.deleted',
  'access.allowed',
  'access.completed',
  'access.denied',
  'grant.created',
  'grant.used_first',
  'grant.expired',
  'grant.revoked',
  'task.created',
  'task.renewed',
  'task.ended',
  'token.issued',
  'token.exchanged',
  'token.revoked',
  'token.reuse_detected',
  'agent.created',
  'agent.updated',
  'agent.deleted',
  'app.created',
  'app.updated',
  'app.deleted',
  'operator.created',
  'user.created',
  'user.updated',
  'user.deleted',
  'tenant.created',
  'integration.created',
  'integration.updated',
  'integration.deleted',
  'key.rotated',
  'login.failed',
  'revocation',
  'secret_echo',
] as const

export type EventType = (typeof eventTypes)[number]
export type Outcome = 'allowed' | 'denied' | 'ok' | 'error' | 'unknown'
export type Action = 'list' | 'fetch' | 'search' | 'write' | 'delete' | 'share' | 'credential' | 'admin'

/**
 * One audit event as the API returns it (CONTRACT 8). Ids only; no bodies, no queries, no secrets. Members that say
 * nothing are left out.
 */
export interface AuditEvent {
  readonly id: string
  /** RFC 3339 UTC with milliseconds. */
  readonly time: string
  readonly type: EventType
  readonly outcome: Outcome
  readonly user?: string
  readonly agent?: string
  readonly app?: string
  readonly task?: string
  /** Who acted for whom, outermost first: ids of clients and users. */
  readonly actor_chain?: readonly string[]
  readonly connection?: string
  readonly integration?: string
  readonly provider?: string
  readonly operation?: string
  readonly resource_type?: string
  readonly action?: Action
  readonly resource_ids?: readonly string[]
  readonly grant?: string
  readonly request_id?: string
  /** The event that this one completes. */
  readonly of?: string
  readonly decision?: { readonly reasons: readonly string[]; readonly policy_version?: string }
  readonly http?: {
    readonly method: string
    readonly host: string
    readonly path_template: string
    readonly status?: number
    readonly bytes_in?: number
    readonly bytes_out?: number
    readonly duration_ms?: number
  }
  readonly ip?: string
  /** Small facts of this type of event: reasons, counts, ids. Never a secret, never personal text. */
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

/** Members that say something about a person: they enter the leaf as salted commitments and can be erased. */
export const personalMembers = ['user', 'resource_ids', 'ip', 'connection', 'actor_chain', 'task'] as const
