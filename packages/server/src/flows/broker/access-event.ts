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
  // Filled in place: each call has two events, and a spread for every member would cost more than to record them.
  const http: Mutable<NonNullable<AuditEvent['http']>> = { method, host, path_template: pathTemplate }
  if (status !== undefined) http.status = status
  if (bytesIn !== undefined) http.bytes_in = bytesIn
  if (bytesOut !== undefined) http.bytes_out = bytesOut
  if (durationMs !== undefined) http.duration_ms = durationMs
  const said: Mutable<Omit<AuditEvent, 'id' | 'time'>> = { type, outcome, http }
  if (user !== undefined) said.user = user
  if (connection !== undefined) {
    said.connection = connection.id
    said.integration = connection.integration
    said.provider = connection.provider
  }
  if (called?.operationId !== undefined) said.operation = called.operationId
  if (called?.resourceType !== undefined) said.resource_type = called.resourceType
  if (called?.action !== undefined) said.action = called.action
  if (resourceIds.length > 0) said.resource_ids = resourceIds
  if (grant !== undefined) said.grant = grant
  if (more.of !== undefined) said.of = more.of
  if (type === 'access.allowed') said.decision = { reasons: [] }
  if (more.reasons !== undefined) said.decision = { reasons: more.reasons }
  if (Object.keys(facts).length > 0) said.facts = facts
  return eventOf(parts, caller, said)
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

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
