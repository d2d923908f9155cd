import type { ErrorCode, Reason } from '@valetkey/contract/errors'
import type { Action } from '@valetkey/contract/events'
import type { AgentCaller } from '../caller.ts'
import { lookAlike, match, type OperationTable } from '../catalogue/match-operation.ts'
import { checkPattern, compilePattern, matchPattern, type PathPattern } from '../catalogue/pattern.ts'
import type { Operation } from '../catalogue/provider.ts'
import type { ResolvedOrigin, ResolvedProvider } from '../catalogue/resolved-provider.ts'
import type { Connection } from '../connection.ts'
import { endOf, type Grant, type GrantedResources, type PathRule } from '../grant.ts'
import { isTaskLive, type Task } from '../task.ts'
import { refusalOf } from './closed-places.ts'
import {
  grantExpired,
  grantRequired,
  hostReason,
  notPermitted,
  reason,
  reasonsOfState,
  scopesReason,
} from './denial-reasons.ts'
import { type CallArguments, type FoundResources, findResources, type NamedResource } from './find-resources.ts'
import { type GraphqlCalled, graphqlCalled, graphqlPlace } from './graphql-call.ts'
import { meetsResources } from './meets-resources.ts'
import { narrowest } from './narrowest.ts'
import { covers, coversGraphql, coversUnlisted, isReading } from './permission.ts'
import { scopesMissing } from './scopes.ts'

/** Everything that a decision rests on. It asks nobody and reads no clock. */
export interface Question {
  readonly provider: ResolvedProvider
  readonly table: OperationTable
  readonly method: string
  /** Host of the entry as the agent named it; the first origin's when left out. */
  readonly host?: string
  /** Path without query, raw; dot segments, empty segments and bad encodings were refused before. */
  readonly path: string
  readonly caller: Pick<AgentCaller, 'tenant' | 'agent' | 'user' | 'task'>
  /** Undefined when there is none by that id. */
  readonly connection: Connection | undefined
  /** All of that agent on that connection, ended ones too, each with its MAC verified before. */
  readonly grants: readonly Grant[]
  /** The row of the caller's task, when its token has one. */
  readonly task?: Task
  /** The agent's ceiling, when it has one: a permission counts only within it. */
  readonly ceiling?: readonly string[]
  /** What the call says beside method and path. Left out: nothing at all. */
  readonly arguments?: CallArguments
  /** Milliseconds. */
  readonly now: number
}

export type Decision = Allowed | Denied

/** What the call is, as events name it. */
export interface Called {
  /** `slack.conversations.history`, or `{provider}.unlisted`. */
  readonly operationId: string
  readonly operation?: Operation
  readonly resourceType: string
  readonly action: Action
  /** The pattern of the operation's route; nothing for what is not catalogued: such paths are on no record. */
  readonly pathTemplate?: string
  /** The parameters of its path, percent-encoded. */
  readonly params?: Readonly<Record<string, string>>
  /** Those that the call names, when a grant that covers it constrains resources. */
  readonly resources?: readonly NamedResource[]
  /** A request to the GraphQL endpoint. */
  readonly graphql?: GraphqlCalled
}

export interface Allowed extends Called {
  readonly allowed: true
  /** The one grant that pays for the call. */
  readonly grant: Grant
  /** A catalogued list, fetch or search: it may go beside the commit of its record (P2). */
  readonly mayGoBesideCommit: boolean
  /** Host of the entry, and its target. */
  readonly host: string
  readonly target: string
}

export interface Denied extends Partial<Called> {
  readonly allowed: false
  readonly code: ErrorCode
  readonly reasons: readonly Reason[]
  /** With `grant_expired`. */
  readonly endedReason?: NonNullable<Grant['endedReason']>
  /** With `missing_scopes`. */
  readonly requiredScopes?: readonly string[]
  /**
   * Only the body tells: read it and ask again. `parameters`: which resources the call names, when a grant that covers it
   * constrains resources; `all`: what the GraphQL document does.
   */
  readonly wantsBody?: 'parameters' | 'all'
}

/**
 * Whether a call is allowed (P3): the caller's token ∩ exactly one live grant ∩ the connection's scopes. Deny is the
 * default. Every reason is given with its fix, and `code` is the first in the order of CONTRACT 3.
 */
export function decide(question: Question): Decision {
  const { connection, caller } = question
  if (connection === undefined || !isInReach(connection, caller)) {
    return deny([
      reason('not_found', 'No connection by that id is in reach of this token.', 'Check the id of the connection.'),
    ])
  }
  const place = placeOf(question.provider, question.host)
  const called = place === undefined ? undefined : calledOf(question, place.host)
  const reasons: Reason[] = [...reasonsOfState(connection, question.provider)]
  const standing = standingOf(question)
  const payment = called === undefined ? undefined : paymentOf(question, called, place!.host, standing.live)
  const paying = payment?.grant
  const ended = standing.live.length > 0 ? undefined : endedOf(question, called, place?.host, standing.ended)
  if (standing.live.length === 0) reasons.push(ended === undefined ? grantRequired(question) : grantExpired(ended.why))
  const refused = place === undefined ? undefined : refusalOf(question.provider, question.path, place)
  let wantsBody: Denied['wantsBody']
  if (refused !== undefined) reasons.push(refused)
  else if (called !== undefined && standing.live.length > 0 && paying === undefined) {
    reasons.push(notPermitted(question, called, place!.host, payment))
    if (called.graphql?.reading.kind === 'unread') wantsBody = 'all'
    else if (payment?.found?.kind === 'unread') wantsBody = 'parameters'
  }
  const requiredScopes = called === undefined ? [] : missingScopes(question, connection, called)
  if (requiredScopes.length > 0) reasons.push(scopesReason(requiredScopes))
  if (place === undefined) reasons.push(hostReason(question))
  const named = payment?.found?.kind === 'found' ? { resources: payment.found.resources } : {}
  if (reasons.length === 0 && called !== undefined && paying !== undefined && place !== undefined) {
    return {
      allowed: true,
      ...called,
      grant: paying,
      mayGoBesideCommit: called.operation !== undefined && called.graphql === undefined && isReading(called.action),
      host: place.host,
      target: place.target,
      ...named,
    }
  }
  return {
    ...deny(reasons),
    ...called,
    ...named,
    ...(ended !== undefined && { endedReason: ended.why }),
    ...(requiredScopes.length > 0 && { requiredScopes }),
    ...(wantsBody !== undefined && reasons.length === 1 && { wantsBody }),
  }
}

/** CONTRACT 5: a token with a user reaches that user's connections only; a revoked one is gone for everyone. */
function isInReach(connection: Connection, caller: Question['caller']): boolean {
  if (connection.tenant !== caller.tenant || connection.status === 'revoked') return false
  return caller.user === undefined || connection.user === caller.user
}

/** The origin that a host of the entry means; the first one's when left out. Undefined: not reachable. */
function placeOf(provider: ResolvedProvider, host: string | undefined): ResolvedOrigin | undefined {
  const first = provider.entry.api.origins[0]
  const name = host?.toLowerCase() ?? (first === undefined ? provider.origins[0]?.host : new URL(first.origin).host)
  return provider.origins.find(origin => origin.host === name)
}

function calledOf(question: Question, host: string): Called {
  const { table, method, path, provider } = question
  if (graphqlPlace(provider.entry, host, path) === 'exactly') {
    const graphql = graphqlCalled(table, method, question.arguments ?? nothing)
    const { operation, operationId, resourceType, action } = graphql
    return { operationId, ...(operation && { operation }), resourceType, action, pathTemplate: path, graphql }
  }
  const matched = match(table, method, host, path)
  if (matched !== undefined) {
    const { operation, pattern, params } = matched
    const { id, resourceType, action } = operation
    return { operationId: id, operation, resourceType, action, pathTemplate: pattern, params }
  }
  return { operationId: `${provider.entry.id}.unlisted`, resourceType: 'any', action: actionOfMethod(method) }
}

const nothing: CallArguments = { query: '', rawHeaders: [] }

/** What an uncatalogued call is taken for: nothing but GET and HEAD reads. */
export function actionOfMethod(method: string): 'fetch' | 'delete' | 'write' {
  if (method === 'GET' || method === 'HEAD') return 'fetch'
  return method === 'DELETE' ? 'delete' : 'write'
}

/** Grants that exist for this caller, live and ended. Others are as if they were not there. */
function standingOf(question: Question): {
  live: Grant[]
  ended: { grant: Grant; why: NonNullable<Grant['endedReason']> }[]
} {
  const { caller, connection, task, now } = question
  const live: Grant[] = []
  const ended: { grant: Grant; why: NonNullable<Grant['endedReason']> }[] = []
  const isTaskOver =
    caller.task !== undefined && !(task !== undefined && task.id === caller.task && isTaskLive(task, now))
  for (const grant of question.grants) {
    if (grant.tenant !== caller.tenant || grant.agent !== caller.agent || grant.connection !== connection?.id) continue
    if (grant.user !== connection.user) continue
    if (caller.user === undefined && connection.user !== undefined && !grant.unattended) continue
    if (grant.task !== undefined && grant.task !== caller.task) continue
    const why = endOf(grant, now) ?? (isTaskOver ? 'task_ended' : undefined)
    if (why === undefined) live.push(grant)
    else ended.push({ grant, why })
  }
  return { live, ended }
}

/** Which grant pays for a call. */
export interface Payment {
  /** The one that pays; none when none does. */
  readonly grant?: Grant
  /** What the call names, when a grant that covers it constrains resources, */
  readonly found?: FoundResources
  /** and what these grants list. */
  readonly narrowed: readonly GrantedResources[]
}

/** Grants that constrain resources come first, so where one cannot be judged before the body is read, nothing pays yet. */
function paymentOf(question: Question, called: Called, host: string, grants: readonly Grant[]): Payment {
  const covering = grants.filter(grant => coversCall(question, called, host, grant))
  if (!covering.some(isLimited)) return paidBy(narrowest(covering, question.table), none)
  const narrowed = covering.flatMap(({ resources }) => (resources === undefined ? [] : [resources]))
  const found = findResources(called.operation, called.params ?? {}, question.arguments ?? nothing)
  if (found.kind === 'unread') return { found, narrowed }
  const met = covering.filter(({ resources }) => resources === undefined || meetsResources(resources, found))
  return { ...paidBy(narrowest(met, question.table), narrowed), found }
}

const none: readonly GrantedResources[] = []

function isLimited({ resources }: Grant): boolean {
  return resources !== undefined
}

function paidBy(grant: Grant | undefined, narrowed: readonly GrantedResources[]): Payment {
  return { ...(grant !== undefined && { grant }), narrowed }
}

function coversCall(question: Question, called: Called, host: string, grant: Grant): boolean {
  const { provider, ceiling } = question
  const { operation } = called
  if (called.graphql !== undefined) return coversGraphqlCall(question, called.graphql, grant)
  if (operation !== undefined) {
    const isCovered = (permission: string) => covers(permission, operation)
    return grant.permissions.some(isCovered) && (ceiling === undefined || ceiling.some(isCovered))
  }
  const isWithin = (permission: string) => coversUnlisted(permission, provider.entry.id, called.action)
  if (ceiling !== undefined && !ceiling.some(isWithin)) return false
  // What a careless server may take for a catalogued operation needs that operation's permission, rightly spelt.
  if (lookAlike(question.table, question.method, host, question.path) !== undefined) return false
  if (graphqlPlace(provider.entry, host, question.path) !== undefined) return false
  if (grant.paths.some(rule => opens(rule, question, host))) return true
  return provider.entry.api.safeMethods === true && called.action === 'fetch' && grant.permissions.some(isWithin)
}

/** One grant covers all of a mutation: its root fields never pass by the grants of each. */
function coversGraphqlCall({ provider, ceiling }: Question, called: GraphqlCalled, grant: Grant): boolean {
  const { reading, operations, unknown } = called
  if (reading.kind !== 'read' || unknown.length > 0) return false
  const lists = ceiling === undefined ? [grant.permissions] : [grant.permissions, ceiling]
  return lists.every(list =>
    reading.call.kind === 'query'
      ? list.some(permission => coversGraphql(permission, provider.entry.id))
      : operations.every(operation => list.some(permission => covers(permission, operation))),
  )
}

function opens(rule: PathRule, question: Question, host: string): boolean {
  const { method, path, provider } = question
  if (placeOf(provider, rule.host)?.host !== host) return false
  const isMethod = rule.methods.includes(method) || (method === 'HEAD' && rule.methods.includes('GET'))
  if (!isMethod) return false
  const pattern = patternOf(rule)
  return pattern !== undefined && matchPattern(pattern, path)
}

// Rules come with their grants, which are held for many calls.
const patterns = new WeakMap<PathRule, PathPattern>()

/** Undefined when malformed: such a rule opens nothing. */
function patternOf(rule: PathRule): PathPattern | undefined {
  const known = patterns.get(rule)
  if (known !== undefined) return known
  if (checkPattern(rule.pattern) !== undefined) return undefined
  const pattern = compilePattern(rule.pattern)
  patterns.set(rule, pattern)
  return pattern
}

function endedOf(
  question: Question,
  called: Called | undefined,
  host: string | undefined,
  ended: readonly { grant: Grant; why: NonNullable<Grant['endedReason']> }[],
): { grant: Grant; why: NonNullable<Grant['endedReason']> } | undefined {
  const matching =
    // What a GraphQL document does is not asked of grants that are over.
    called === undefined || host === undefined || called.graphql?.reading.kind === 'unread'
      ? ended
      : ended.filter(({ grant }) => coversCall(question, called, host, grant))
  return matching.toSorted((a, b) => endTime(b.grant) - endTime(a.grant))[0]
}

function endTime(grant: Grant): number {
  return grant.endedAt ?? grant.expiresAt
}

function missingScopes(question: Question, connection: Connection, { operation, graphql }: Called): string[] {
  const { entry } = question.provider
  // Nobody told us the scopes of an API key, nor those that a provider fixed at the client; it judges them itself.
  // Of an entry of low confidence we do not know which scopes it wants: a denial must not rest on the table alone.
  const isUnknown =
    connection.kind === 'static' || entry.oauth.scopesFixedAtClient === true || entry.confidence === 'low'
  if (isUnknown) return []
  const operations = graphql?.operations ?? (operation === undefined ? [] : [operation])
  return [...new Set(operations.flatMap(one => scopesMissing(one, connection.scopes, entry)))]
}

/** CONTRACT 3: the order in which reasons give the code; what is not named comes last. */
const order: readonly ErrorCode[] = [
  'not_found',
  'connection_required',
  'needs_reauth',
  'conflict',
  'grant_required',
  'grant_expired',
  'operation_not_permitted',
  'missing_scopes',
]

function rank(code: ErrorCode): number {
  const at = order.indexOf(code)
  return at === -1 ? order.length : at
}

function deny(reasons: readonly Reason[]): Denied {
  const sorted = reasons.toSorted((a, b) => rank(a.code) - rank(b.code))
  return { allowed: false, code: sorted[0]?.code ?? 'operation_not_permitted', reasons: sorted }
}
