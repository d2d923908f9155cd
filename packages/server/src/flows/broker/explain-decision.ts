import type { Reason } from '@valetkey/contract/errors'
import type { Action } from '@valetkey/contract/events'
import type { AgentCaller } from '../../core/caller.ts'
import type { Operation, ProviderEntry } from '../../core/catalogue/provider.ts'
import { Failure, invalid, notFound } from '../../core/failure.ts'
import type { GrantId } from '../../core/ids.ts'
import { findCredentialParameter } from '../../core/request/credential-parameters.ts'
import { overrideParameters } from '../../core/request/override-parameters.ts'
import { checkPath } from '../../core/request/path-hygiene.ts'
import type { BrokerParts } from './broker-parts.ts'
import { readFacts } from './call-facts.ts'
import { findConnection } from './find-connection.ts'
import { decideCall } from './open-call.ts'
import { proxyMethods } from './proxy-call.ts'

/** What would happen to a call. It is a question: nothing is sent and nothing recorded. */
export type DecisionQuestion =
  | { readonly connection: string; readonly method: string; readonly path: string; readonly body?: unknown }
  | { readonly connection: string; readonly operation: string; readonly input?: Readonly<Record<string, unknown>> }

export interface Explained {
  readonly allowed: boolean
  readonly operation?: string
  readonly resourceType?: string
  readonly action?: Action
  readonly grant?: GrantId
  /** None when allowed. */
  readonly reasons: readonly Reason[]
}

/** The decision on a call with every reason and its fix, by the very rules that the proxy follows (P3). */
export async function explainDecision(
  parts: BrokerParts,
  caller: AgentCaller,
  question: DecisionQuestion,
): Promise<Explained> {
  const asked = 'operation' in question ? callOfOperation(parts, question) : readCall(question)
  const id = await findConnection(parts, caller, question.connection, asked)
  const facts = await readFacts(parts, caller, id)
  if (facts === undefined) throw notFound()
  const { provider: ofOperation, ...call } = asked
  const decision = decideCall(parts, caller, asArrived(call), facts)
  if (!decision.allowed && decision.code === 'not_found') throw notFound()
  if (ofOperation !== undefined && ofOperation !== facts.connection.provider) throw noOperation(question)
  const reasons = [
    ...(decision.allowed ? [] : decision.reasons),
    ...hygieneReasons(call, decision.operation, facts.provider.entry.api.credentialParameters),
  ]
  return {
    allowed: decision.allowed && reasons.length === 0,
    ...(decision.operationId !== undefined && { operation: decision.operationId }),
    ...(decision.resourceType !== undefined && { resourceType: decision.resourceType }),
    ...(decision.action !== undefined && { action: decision.action }),
    ...(decision.allowed && reasons.length === 0 && { grant: decision.grant.id }),
    reasons,
  }
}

interface Called {
  /** Of the operation that was named. */
  readonly provider?: string
  readonly method: string
  readonly host?: string
  readonly path: string
  /** With its "?", or ''. */
  readonly query: string
  readonly body?: Body
}

interface Body {
  readonly type: string
  readonly text: string
}

/** As the proxy would see it. */
function asArrived({ body, ...call }: Omit<Called, 'provider'>) {
  return {
    ...call,
    rawHeaders: body === undefined ? [] : ['content-type', body.type],
    ...(body !== undefined && { seen: { body: Buffer.from(body.text) } }),
  }
}

/** A text is taken as it is, for JSON or for a form by how it looks; any other value is sent as JSON. */
function bodyOf(value: unknown): Body {
  if (typeof value !== 'string') return { type: 'application/json', text: JSON.stringify(value) }
  return { type: /^\s*[{[]/.test(value) ? 'application/json' : 'application/x-www-form-urlencoded', text: value }
}

function readCall(question: Extract<DecisionQuestion, { method: string }>): Called {
  const method = question.method.toUpperCase()
  if (!proxyMethods.includes(method)) throw invalid('/method', `Use one of ${proxyMethods.join(', ')}.`)
  const mark = question.path.indexOf('?')
  const whole = mark === -1 ? question.path : question.path.slice(0, mark)
  const query = mark === -1 ? '' : question.path.slice(mark)
  const named = /^\/~([^/]+)(\/.*)?$/.exec(whole)
  const path = named === null ? whole : (named[2] ?? '/')
  const checked = checkPath(path, { mayEncodeSlash: true })
  if (!checked.ok) throw invalid('/path', checked.why)
  return {
    method,
    ...(named !== null && { host: named[1]!.toLowerCase() }),
    path,
    query,
    ...(question.body !== undefined && { body: bodyOf(question.body) }),
  }
}

/** The usual route of an operation, with the input in the places that it names. */
function callOfOperation(parts: BrokerParts, question: Extract<DecisionQuestion, { operation: string }>): Called {
  const found = parts.catalogue.operation(question.operation)
  const route = found?.operation.routes[0]
  if (found !== undefined && found.operation.graphql !== undefined)
    return mutationOf(found.entry, found.operation.graphql)
  if (found === undefined || route === undefined) throw noOperation(question)
  const rest = new Map(Object.entries(question.input ?? {}))
  const fill = (name: string) => {
    const value = rest.get(name)
    rest.delete(name)
    return (typeof value === 'string' && value !== '') || typeof value === 'number' ? encodeURIComponent(value) : 'x'
  }
  const path = route.pattern.replace(/\{(\w+)\}/g, (_, name: string) => fill(name)).replace(/\*\*$/, 'x')
  const method = route.methods[0] ?? 'GET'
  const checked = checkPath(path, { mayEncodeSlash: found.operation.encodedSlash === true })
  if (!checked.ok) throw invalid('/input', checked.why)
  return {
    provider: found.entry.id,
    method,
    ...(route.host !== undefined && { host: route.host }),
    path,
    ...placed(found.operation, method, rest),
  }
}

/** The least document that calls the field; what is permitted does not depend on its arguments. */
function mutationOf({ id, api }: ProviderEntry, field: string): Called {
  const { host, path = '/' } = api.graphql ?? {}
  return {
    provider: id,
    method: 'POST',
    ...(host !== undefined && { host }),
    path,
    query: '',
    body: bodyOf({ query: `mutation { ${field} }` }),
  }
}

/** What is left of an input goes where the operation declares it, else into the body of a method that has one, else into the query. */
function placed(
  operation: Operation,
  method: string,
  rest: ReadonlyMap<string, unknown>,
): Pick<Called, 'query' | 'body'> {
  const hasBody = method !== 'GET' && method !== 'DELETE'
  const query = new URLSearchParams()
  const body = new Map<string, unknown>()
  for (const [name, value] of rest) {
    const declared = operation.resources?.find(location => location.name === name)?.in
    const isInQuery = declared === undefined || !hasBody ? !hasBody : declared.every(place => place === 'query')
    if (!isInQuery) body.set(name, value)
    else query.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value))
  }
  return {
    query: query.size === 0 ? '' : `?${query}`,
    ...(body.size > 0 && { body: bodyOf(Object.fromEntries(body)) }),
  }
}

function noOperation(question: DecisionQuestion): Failure {
  const name = 'operation' in question ? question.operation : ''
  return new Failure('unknown_operation', `The provider of this connection has no operation ${name}.`)
}

function hygieneReasons(call: Called, operation: Operation | undefined, names: readonly string[]): Reason[] {
  const reasons: Reason[] = []
  const path = checkPath(call.path, { mayEncodeSlash: operation?.encodedSlash === true })
  if (!path.ok) reasons.push({ code: 'validation_failed', detail: path.why, fix: 'Write the path without it.' })
  const found = findCredentialParameter(
    {
      query: call.query,
      ...(call.body !== undefined && { contentType: call.body.type, body: Buffer.from(call.body.text) }),
    },
    [...names, ...overrideParameters],
  )
  if (found !== undefined) {
    reasons.push({
      code: 'validation_failed',
      detail: `The parameter ${found.name} carries a credential, or makes another call of this one.`,
      fix: 'Leave it out.',
    })
  }
  return reasons
}
