import type { AgentCaller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import { identityOnly, offeredCodings } from '../../core/request/content-codings.ts'
import { EgressFailure } from '../../engines/egress/egress.ts'
import { accessEvent } from './access-event.ts'
import type { AnswerSink } from './answer-sink.ts'
import { CallCut, Cut } from './call-cut.ts'
import { Carried, carryCall } from './carry-call.ts'
import { failureOfEgress } from './egress-answer.ts'
import { type CallNotes, denialNow, type OpenCall, openCall } from './open-call.ts'
import { prepareOutgoing } from './outgoing.ts'
import type { ProxyCall } from './proxy-call.ts'
import { onRecord, recordOrRefuse } from './record-access.ts'
import type { BrokerContext } from './send-call.ts'
import { Upload } from './upload.ts'

/**
 * One call of an agent, from its request to the last byte of the answer (DESIGN, "Life of one brokered call"). Throws a
 * `Failure` as long as no head was sent; afterwards a failure breaks the connection. Every call leaves one
 * `access.denied`, or one `access.allowed` and its `access.completed`.
 */
export async function forwardCall(
  parts: BrokerContext,
  caller: AgentCaller,
  asked: ProxyCall,
  sink: AnswerSink,
): Promise<void> {
  const call: ProxyCall = { ...asked, seen: {} }
  const place = parts.broker.room.enter(caller)
  const cut = new CallCut()
  sink.onGone(() => cut.cut('agent_gone'))
  const upload = new Upload(call.body, call.takeBody, undefined, place)
  const notes: CallNotes = {
    subject: { method: call.method.slice(0, 20), host: hostOnRecord(call.host), pathTemplate: '' },
    reasons: [],
  }
  let open: OpenCall | undefined
  try {
    open = await openCall(parts, parts.broker.facts, parts.broker.streams, caller, call, { upload, cut, notes })
    const { provider } = open.facts
    // Links are written into a body that is read, and not into a compressed one.
    const offer = open.decision.operation?.links === undefined ? offeredCodings(call.rawHeaders) : identityOnly
    const outgoing = await cut.race(prepareOutgoing(provider, open.decision.target, call, upload, offer))
    await carryCall(parts, caller, call, sink, { open, outgoing, upload, cut, place })
  } catch (thrown) {
    const failure = await asRefusal(parts, caller, call, open, thrown)
    if (failure !== undefined && !(thrown instanceof Carried)) {
      await recordDenied(parts, caller, call, notes, failure, sink)
    }
    if (failure !== undefined) throw failure
  } finally {
    open?.leave()
    place.leave()
  }
}

/** A host is a name; what is none stays off the record, for an agent may write anything there. */
function hostOnRecord(host: string | undefined): string {
  return host !== undefined && /^[a-z0-9.:-]{1,253}$/.test(host) ? host : ''
}

/** What the agent hears. Undefined when there is nobody to hear it. */
async function asRefusal(
  parts: BrokerContext,
  caller: AgentCaller,
  call: ProxyCall,
  open: OpenCall | undefined,
  thrown: unknown,
): Promise<Failure | undefined> {
  const error = thrown instanceof Carried ? thrown.cause : thrown
  if (error instanceof Failure) return error
  if (error instanceof EgressFailure) return failureOfEgress(error)
  if (!(error instanceof Cut)) throw error
  if (error.why === 'agent_gone') return undefined
  const denial = open && (await denialNow(parts, parts.broker.facts, caller, call, open.facts.connection.id))
  return denial ?? new Failure('unavailable', 'The call was stopped. Send it again.', { retryAfterSeconds: 1 })
}

/** Every refusal by the rules is on the record before the agent hears of it. What failed on our side is none. */
async function recordDenied(
  parts: BrokerContext,
  caller: AgentCaller,
  call: ProxyCall,
  notes: CallNotes,
  failure: Failure,
  sink: AnswerSink,
): Promise<void> {
  if (failure.status >= 500 && failure.code !== 'upgrade_not_supported') return
  const reasons = notes.reasons.length > 0 ? notes.reasons : [failure.code]
  const numbers = { status: failure.status }
  const subject = await onRecord(parts, caller, call, notes.subject)
  const event = accessEvent(parts, caller, subject, 'access.denied', 'denied', { reasons, numbers })
  sink.event(event.id)
  await recordOrRefuse(parts, caller, { event })
  parts.broker.metrics.count(event)
}
