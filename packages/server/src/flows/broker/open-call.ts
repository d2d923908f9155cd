import type { AgentCaller } from '../../core/caller.ts'
import { Failure, notFound } from '../../core/failure.ts'
import type { ConnectionId } from '../../core/ids.ts'
import { type Allowed, type Decision, type Denied, decide } from '../../core/permission/decide.ts'
import type { AccessSubject } from './access-event.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { CallCut } from './call-cut.ts'
import type { CallFacts, FactsMemory, HeldFacts } from './call-facts.ts'
import { argumentsOf, lookIntoBody, resourceIdsOf } from './call-resources.ts'
import { deniedFailure } from './denied-failure.ts'
import { findConnection } from './find-connection.ts'
import { checkCall, type ProxyCall, requirePlainSlashes } from './proxy-call.ts'
import type { StreamRegistry } from './stream-registry.ts'
import type { Upload } from './upload.ts'

/** A call that is allowed now and will be cut when what allows it ends. */
export interface OpenCall {
  readonly facts: CallFacts
  readonly decision: Allowed
  readonly subject: AccessSubject
  /** Takes it out of the registry. */
  readonly leave: () => void
}

/** What is known of a call so far, for the record if it is refused. */
export interface CallNotes {
  subject: AccessSubject
  reasons: readonly string[]
}

interface Opening {
  readonly upload: Upload
  readonly cut: CallCut
  readonly notes: CallNotes
}

/** What keeps changing while it is read is given up on. */
const mostReads = 10

/**
 * From what an agent asks to an allowed call (P3): hygiene, connection, facts, decision. The facts hold at the very
 * moment at which the call enters the registry; from then on a revocation cuts it (P4).
 */
export async function openCall(
  parts: BrokerParts,
  memory: FactsMemory,
  registry: StreamRegistry,
  caller: AgentCaller,
  call: ProxyCall,
  { upload, cut, notes }: Opening,
): Promise<OpenCall> {
  checkCall(call)
  const id = await findConnection(parts, caller, call.connection, call)
  for (let tries = 0; tries < mostReads; tries++) {
    const held = await memory.get(caller, id, tries > 0)
    let wanted: Denied['wantsBody']
    try {
      const opened = judge(parts, caller, call, held, notes)
      if (held.isStale()) continue
      if (typeof opened === 'object') return { ...opened, leave: enter(registry, caller, opened, cut) }
      wanted = opened
    } finally {
      held.release()
    }
    // Whatever was true before the body came may be so no longer: all is read and judged again.
    if (wanted !== undefined) await cut.race(lookIntoBody(call, upload, wanted))
  }
  throw new Failure('unavailable', 'Grants and connection change too fast to decide on. Try again.', {
    retryAfterSeconds: 1,
  })
}

/**
 * Undefined: denied by what was remembered, so that it has to be read again before anybody is told so. A word: what of
 * the body has to be read before it can be judged.
 */
function judge(
  parts: BrokerParts,
  caller: AgentCaller,
  call: ProxyCall,
  held: HeldFacts,
  notes: CallNotes,
): Omit<OpenCall, 'leave'> | Denied['wantsBody'] {
  const { facts } = held
  const mayAskAgain = held.isRemembered || held.isStale()
  if (facts === undefined) {
    if (mayAskAgain) return undefined
    throw notFound()
  }
  const decision = decideCall(parts, caller, call, facts)
  const wanted = decision.allowed ? undefined : decision.wantsBody
  if (!decision.allowed && wanted === undefined && mayAskAgain) return undefined
  const { connection } = facts
  const subject: AccessSubject = {
    ...notes.subject,
    connection,
    called: decision,
    host: call.host === undefined ? (facts.provider.origins[0]?.host ?? '') : notes.subject.host,
    pathTemplate: decision.pathTemplate ?? notes.subject.pathTemplate,
    resourceIds: resourceIdsOf(decision, call.query),
    ...(decision.allowed && { grant: decision.grant.id, host: decision.host }),
  }
  notes.subject = subject
  if (wanted !== undefined) return wanted
  requirePlainSlashes(call.path, decision.operation?.encodedSlash === true)
  if (decision.allowed) return { facts, decision, subject }
  notes.reasons = decision.reasons.map(reason => reason.code)
  throw deniedFailure(decision)
}

/** The one question of whether this caller may make this call, on these facts. */
export function decideCall(
  parts: Pick<BrokerParts, 'now'>,
  caller: AgentCaller,
  call: Pick<ProxyCall, 'method' | 'host' | 'path' | 'query' | 'rawHeaders' | 'body' | 'seen'>,
  facts: CallFacts,
): Decision {
  const { provider, table, connection, grants, task, ceiling } = facts
  return decide({
    provider,
    table,
    method: call.method,
    ...(call.host !== undefined && { host: call.host }),
    path: call.path,
    caller,
    connection,
    grants,
    ...(task !== undefined && { task }),
    ...(ceiling !== undefined && { ceiling }),
    arguments: argumentsOf(call),
    now: parts.now(),
  })
}

function enter(
  registry: StreamRegistry,
  caller: AgentCaller,
  opened: Omit<OpenCall, 'leave'>,
  cut: CallCut,
): () => void {
  const { connection, task } = opened.facts
  return registry.enter({
    tenant: caller.tenant,
    agent: caller.agent,
    ...(connection.user !== undefined && { user: connection.user }),
    connection: connection.id,
    integration: connection.integration,
    grant: opened.decision.grant,
    ...(task !== undefined && { task }),
    cut: why => cut.cut(why),
  })
}

/** Why a call that was allowed is so no longer, read anew; undefined when it would be allowed again. */
export async function denialNow(
  parts: BrokerParts,
  memory: FactsMemory,
  caller: AgentCaller,
  call: ProxyCall,
  connection: ConnectionId,
): Promise<ReturnType<typeof deniedFailure> | undefined> {
  const held = await memory.get(caller, connection, true)
  held.release()
  if (held.facts === undefined) return notFound()
  const decision = decideCall(parts, caller, call, held.facts)
  return decision.allowed ? undefined : deniedFailure(decision)
}
