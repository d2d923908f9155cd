import type { AuditEvent, EventType, Outcome } from '@valetkey/contract/events'
import type { AgentCaller } from '../../core/caller.ts'
import type { Connection } from '../../core/connection.ts'
import type { GrantId, TenantId } from '../../core/ids.ts'
import type { Called } from '../../core/permission/decide.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'

/** What a call is, for the record: the who is the caller's, the what is this. */
export interface AccessSubject {
  readonly connection?: Pick<Connection, 'id' | 'user' | 'integration' | 'provider'>
  readonly called?: Partial<Called>
  readonly grant?: GrantId
  readonly method: string
  /** Host of the entry, or what the agent said it was. */
  readonly host: string
  readonly pathTemplate: string
  /** Ids of the resources that the call names, as far as they are known. */
  readonly resourceIds?: readonly string[]
}

export interface AccessNumbers {
  readonly status?: number
  readonly bytesIn?: number
  readonly bytesOut?: number
  readonly durationMs?: number
}

/** One event of a brokered call, with who and what. No body, no query, no path of an uncatalogued call (CONTRACT 8). */
export function accessEvent(
  parts: Pick<Parts, 'now' | 'random'>,
  caller: AgentCaller,
  subject: AccessSubject,
  type: EventType & ('access.allowed' | 'access.completed' | 'access.denied' | 'secret_echo'),
  outcome: Outcome,
  more: {
    readonly of?: string
    readonly reasons?: readonly string[]
    readonly numbers?: AccessNumbers
    readonly facts?: NonNullable<AuditEvent['facts']>
  } = {},
): AuditEvent {
  const { connection, called, grant, method, host, pathTemplate, resourceIds = [] } = subject
  // The event names one operation; a mutation of several names all of them beside it.
  const several = called?.graphql?.operations ?? []
  const facts = { ...(several.length > 1 && { operations: several.map(({ id }) => id) }), ...more.facts }
  const { status, bytesIn, bytesOut, durationMs } = more.numbers ?? {}
  // Who worked is the token's user; a token without one works for the owner of the connection.
  const user = caller.user ?? connection?.user
  return eventOf(parts, caller, {
    type,
    outcome,
    ...(user !== undefined && { user }),
    ...(connection !== undefined && {
      connection: connection.id,
      integration: connection.integration,
      provider: connection.provider,
    }),
    ...(called?.operationId !== undefined && { operation: called.operationId }),
    ...(called?.resourceType !== undefined && { resource_type: called.resourceType }),
    ...(called?.action !== undefined && { action: called.action }),
    ...(resourceIds.length > 0 && { resource_ids: resourceIds }),
    ...(grant !== undefined && { grant }),
    ...(more.of !== undefined && { of: more.of }),
    ...(type === 'access.allowed' && { decision: { reasons: [] } }),
    ...(more.reasons !== undefined && { decision: { reasons: more.reasons } }),
    http: {
      method,
      host,
      path_template: pathTemplate,
      ...(status !== undefined && { status }),
      ...(bytesIn !== undefined && { bytes_in: bytesIn }),
      ...(bytesOut !== undefined && { bytes_out: bytesOut }),
      ...(durationMs !== undefined && { duration_ms: durationMs }),
    },
    ...(Object.keys(facts).length > 0 && { facts }),
  })
}

/** That a grant was used for the first time; `access` is the event of the call that did. */
export function firstUseEvent(
  parts: Pick<Parts, 'now' | 'random'>,
  caller: AgentCaller,
  { connection, grant }: AccessSubject,
  access: string,
): AuditEvent {
  return eventOf(parts, caller, {
    type: 'grant.used_first',
    outcome: 'ok',
    ...(connection?.user !== undefined && { user: connection.user }),
    ...(connection !== undefined && { connection: connection.id, provider: connection.provider }),
    ...(grant !== undefined && { grant }),
    facts: { access },
  })
}

/**
 * How a path that is not catalogued stands on the record: the number of its segments and a keyed digest, so that equal
 * paths can be told, and nothing of them read.
 */
export async function veiledPath(parts: Pick<Parts, 'vault'>, tenant: TenantId, path: string): Promise<string> {
  const segments = path === '/' ? 0 : path.split('/').length - 1
  const mac = await parts.vault.mac(tenant, 'path', path)
  return `${segments} segments ${mac.slice(mac.indexOf('.') + 1, mac.indexOf('.') + 23)}`
}
