import { type AuditEvent, personalMembers } from '@valetkey/contract/events'
import type { TenantId } from '../ids.ts'
import { hashOfTuple, hmacOfTuple } from '../length-prefixed.ts'
import { canonicalJson } from './canonical-json.ts'

/**
 * One row of `audit_events`: text columns and one integer (`seq`), the same in both databases. Members of an event that
 * are lists or objects are canonical JSON text. Every column is covered: the members, `tenant_id` and `commitments` by
 * `leaf`; `stream`, `seq` and `leaf` by `head`; `head` by the head of the row before.
 */
export interface AuditRow {
  readonly tenant_id: string
  readonly stream: string
  /** Counts from 1 within a stream, without gaps. */
  readonly seq: number
  readonly id: string
  readonly time: string
  readonly type: string
  readonly outcome: string
  readonly user: string | null
  readonly agent: string | null
  readonly app: string | null
  readonly task: string | null
  readonly actor_chain: string | null
  readonly connection: string | null
  readonly integration: string | null
  readonly provider: string | null
  readonly operation: string | null
  readonly resource_type: string | null
  readonly action: string | null
  readonly resource_ids: string | null
  readonly grant: string | null
  readonly request_id: string | null
  readonly of: string | null
  readonly decision: string | null
  readonly http: string | null
  readonly ip: string | null
  readonly facts: string | null
  /** Canonical JSON: personal member → its commitment, base64url. */
  readonly commitments: string
  /** Hex SHA-256. */
  readonly leaf: string
  /** Hex SHA-256: head of the stream's chain after this row. */
  readonly head: string
}

export type PersonalMember = (typeof personalMembers)[number]

/** Base64url of 16 random bytes for each personal member of one event; kept apart from the row, gone when erased. */
export type Salts = Readonly<Partial<Record<PersonalMember, string>>>

/**
 * Every member of an event and how its column holds it. The order is the order in the leaf and never changes; a new
 * member goes to the end (an absent member adds nothing to the leaf, so older rows keep theirs).
 */
const members = {
  id: 'text',
  time: 'text',
  type: 'text',
  outcome: 'text',
  user: 'text',
  agent: 'text',
  app: 'text',
  task: 'text',
  actor_chain: 'json',
  connection: 'text',
  integration: 'text',
  provider: 'text',
  operation: 'text',
  resource_type: 'text',
  action: 'text',
  resource_ids: 'json',
  grant: 'text',
  request_id: 'text',
  of: 'text',
  decision: 'json',
  http: 'json',
  ip: 'text',
  facts: 'json',
} as const satisfies Record<keyof AuditEvent, 'text' | 'json'>

const memberNames = Object.keys(members) as (keyof AuditEvent)[]
const memberSet: ReadonlySet<string> = new Set(memberNames)
const personal: ReadonlySet<string> = new Set(personalMembers)
const leafFormat = 'valetkey audit leaf 1'
const commitmentFormat = 'valetkey audit commitment 1'
const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** The personal members that an event has: the caller draws a salt for each. */
export function saltedMembersOf(event: AuditEvent): PersonalMember[] {
  return personalMembers.filter(member => event[member] !== undefined)
}

/** Leaf and commitments of an event. `salts` has exactly the members that `saltedMembersOf` names. */
export function commitEvent(
  event: AuditEvent,
  tenant: TenantId,
  salts: Salts,
): { leaf: string; commitments: Partial<Record<PersonalMember, string>> } {
  const { row, commitments } = committed(event, tenant, salts)
  return { leaf: row.leaf, commitments }
}

/** An event with its leaf, before it has a place in a stream. `placeRow` gives it one. */
export type UnplacedRow = Omit<AuditRow, 'stream' | 'seq' | 'head'>

/** The row of an event but for its place (stream, sequence, head), which only the appender knows. Pure. */
export function toRow(event: AuditEvent, tenant: TenantId, salts: Salts): UnplacedRow {
  return committed(event, tenant, salts).row
}

/** The event that a row holds; erased members are left out. Proves nothing: see `verifyStream`. */
export function fromRow(row: AuditRow): AuditEvent {
  const event: Record<string, unknown> = {}
  for (const name of memberNames) {
    const column = row[name]
    if (column === null || column === undefined) continue
    event[name] = members[name] === 'json' ? JSON.parse(column) : column
  }
  return event as unknown as AuditEvent
}

/**
 * The leaf that a row's columns give: SHA-256 over the format, the tenant, name and text of every present member that is
 * not personal, and the text of the commitments. Takes the texts as they are stored, so that no spelling can change.
 */
export function leafOf(row: Omit<UnplacedRow, 'leaf'>): string {
  const fields: string[] = [leafFormat, row.tenant_id]
  for (const name of memberNames) {
    const column = row[name]
    if (column === null || personal.has(name)) continue
    fields.push(name, column)
  }
  fields.push('commitments', row.commitments)
  return hashOfTuple(fields)
}

/** HMAC-SHA256 keyed by the salt over the member's name and the text of its column; base64url. */
export function commitmentTo(member: PersonalMember, column: string, salt: string): string {
  // HMAC pads short keys with zeros: only one length of salt keeps two salts from being the same key.
  if (!saltForm.test(salt)) throw new TypeError('A salt is the base64url of 16 bytes')
  return hmacOfTuple(Buffer.from(salt, 'base64url'), [commitmentFormat, member, column])
}

/** 16 bytes leave four bits to the last character, and only one spelling has the other two as zeros. */
const saltForm = /^[A-Za-z0-9_-]{21}[AQgw]$/

function committed(event: AuditEvent, tenant: TenantId, salts: Salts) {
  const row = bareRow(event, tenant)
  const commitments: Partial<Record<PersonalMember, string>> = {}
  for (const member of personalMembers) {
    const column = row[member]
    const salt = salts[member]
    if (column === null && salt === undefined) continue
    if (column === null || salt === undefined) throw new TypeError(`One salt for each personal member: ${member}`)
    commitments[member] = commitmentTo(member, column, salt)
  }
  row.commitments = canonicalJson(commitments)
  row.leaf = leafOf(row)
  return { row: row as UnplacedRow, commitments }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Commitments and leaf are still to come. Written out, for one literal is made sooner than 25 members are copied. */
function bareRow(event: AuditEvent, tenant: TenantId): Mutable<UnplacedRow> {
  for (const name in event) {
    // A member without a column would be lost, and what is not stored is not covered.
    if (!memberSet.has(name)) throw new TypeError(`No such member of an audit event: ${name}`)
  }
  // The databases compare times as text, so there is one form of them.
  if (!timeForm.test(event.time)) throw new TypeError('The time of an event is RFC 3339 UTC with milliseconds')
  return {
    tenant_id: tenant,
    id: columnOf('id', event.id)!,
    time: columnOf('time', event.time)!,
    type: columnOf('type', event.type)!,
    outcome: columnOf('outcome', event.outcome)!,
    user: columnOf('user', event.user),
    agent: columnOf('agent', event.agent),
    app: columnOf('app', event.app),
    task: columnOf('task', event.task),
    actor_chain: columnOf('actor_chain', event.actor_chain),
    connection: columnOf('connection', event.connection),
    integration: columnOf('integration', event.integration),
    provider: columnOf('provider', event.provider),
    operation: columnOf('operation', event.operation),
    resource_type: columnOf('resource_type', event.resource_type),
    action: columnOf('action', event.action),
    resource_ids: columnOf('resource_ids', event.resource_ids),
    grant: columnOf('grant', event.grant),
    request_id: columnOf('request_id', event.request_id),
    of: columnOf('of', event.of),
    decision: columnOf('decision', event.decision),
    http: columnOf('http', event.http),
    ip: columnOf('ip', event.ip),
    facts: columnOf('facts', event.facts),
    commitments: '',
    leaf: '',
  }
}

function columnOf(name: keyof AuditEvent, value: unknown): string | null {
  if (value === undefined) return null
  if (members[name] === 'json') return canonicalJson(value)
  // What a database would alter or refuse (NUL, lone surrogates) must not get into the hash of a row.
  if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed()) {
    throw new TypeError(`The member ${name} of an audit event is well-formed text`)
  }
  return value
}
