import type { AgentCaller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import { accessEvent, firstUseEvent } from './access-event.ts'
import { answerRules } from './answer-rules.ts'
import type { AnswerSink } from './answer-sink.ts'
import type { CallFacts } from './call-facts.ts'
import { endFacts, outcomeOf } from './call-outcome.ts'
import { liveToken } from './call-secrets.ts'
import { meetRefusal } from './meet-refusal.ts'
import { denialNow } from './open-call.ts'
import type { ProxyCall } from './proxy-call.ts'
import { onRecord, recordOrRefuse } from './record-access.ts'
import { type Relayed, relayAnswer, requireReadable } from './relay-answer.ts'
import { type BrokerContext, type Carriage, failureIn, type Progress, sendCall } from './send-call.ts'
import { refusalOf } from './unauthorized-answer.ts'

/** A failure of a call whose intent is on the record already: it has its outcome there and is no denial. */
export class Carried extends Error {
  constructor(cause: unknown) {
    super('carried', { cause })
  }
}

/** Intent, credential, request, answer, outcome. */
export async function carryCall(
  parts: BrokerContext,
  caller: AgentCaller,
  call: ProxyCall,
  sink: AnswerSink,
  carriage: Carriage,
): Promise<void> {
  const { open, cut, upload } = carriage
  const { decision, facts } = open
  const subject = await onRecord(parts, caller, call, open.subject)
  const { tenant } = caller
  const startedAt = parts.monotonic()
  const now = parts.now()
  const intent = accessEvent(parts, caller, subject, 'access.allowed', 'allowed')
  sink.event(intent.id)
  const recording = recordOrRefuse(parts, caller, { event: intent, spend: { grant: decision.grant.id, now } })
  recording.catch(() => {})
  const progress: Progress = { isReplayed: false }
  cut.onCut(({ why }) => progress.attempt?.abort(why))
  let relayed: Relayed | undefined
  let failed: unknown
  try {
    relayed = await exchange(parts, call, sink, carriage, recording, progress)
    if (relayed.end === 'whole') await cut.race(sink.finished)
    if (relayed.end === 'refused') failed = relayed.failure
  } catch (thrown) {
    failed = thrown
    progress.attempt?.abort('given up')
  }
  const isRecorded = await recording.catch(() => undefined)
  if (isRecorded === undefined) throw await recording.catch((error: unknown) => error)
  if (isRecorded === 'exhausted') throw await exhausted(parts, caller, call, facts)
  const outcome = outcomeOf(progress, relayed, failed)
  const event = accessEvent(parts, caller, subject, 'access.completed', outcome, {
    of: intent.id,
    numbers: {
      ...(progress.head !== undefined && { status: progress.head.status }),
      bytesIn: upload.bytes,
      bytesOut: relayed?.bytesOut ?? 0,
      durationMs: Math.round(parts.monotonic() - startedAt),
    },
    facts: { ...(progress.isReplayed && { replayed: true }), ...endFacts(relayed, failed, cut) },
  })
  const { broker } = parts
  broker.metrics.count(event)
  broker.after(parts.store.record(tenant, { event }), 'The outcome of a call could not be recorded', { tenant })
  broker.lastUsed.note(tenant, facts.connection.id, now)
  if (broker.firstUses.isFirst(decision.grant)) {
    const first = firstUseEvent(parts, caller, subject, intent.id)
    broker.after(parts.store.record(tenant, { event: first }), 'The first use of a grant could not be recorded', {
      tenant,
    })
  }
  if (relayed !== undefined && relayed.echoes > 0) {
    const facts = { access: intent.id, places: relayed.echoes }
    const echo = accessEvent(parts, caller, subject, 'secret_echo', 'error', { facts })
    broker.metrics.count(echo)
    broker.after(parts.store.record(tenant, { event: echo }), 'An echoed secret could not be recorded', { tenant })
  }
  if (failed !== undefined) throw new Carried(failed)
}

/** Sends the request and passes its answer on. The answer's first byte waits for the record of the intent (P2). */
async function exchange(
  parts: BrokerContext,
  call: ProxyCall,
  sink: AnswerSink,
  carriage: Carriage,
  recording: Promise<'recorded' | 'exhausted'>,
  progress: Progress,
): Promise<Relayed> {
  const { open, cut, outgoing } = carriage
  const { decision, facts } = open
  const recorded = recording.then(outcome => {
    if (outcome === 'exhausted') throw new Failure('quota_exhausted', 'The budget of the grant is used up.')
  })
  recorded.catch(() => {})
  const token = liveToken(parts, facts)
  token.catch(() => {})
  // What changes something, or may, is sent only after its intent is durable; so is what is counted.
  const mayGoBeside = decision.mayGoBesideCommit && decision.grant.maxCalls === undefined
  if (!mayGoBeside) await cut.race(recorded)
  progress.live = await cut.race(Promise.race([token, failureIn(recorded)]))
  await sendCall(parts, carriage, recorded, progress)
  const refusal = await cut.race(refusalOf(progress.attempt!, progress.head!, facts.provider.entry))
  if (refusal !== undefined) await meetRefusal(parts, carriage, refusal, recorded, progress)
  const coding = requireReadable(progress.head!, call.method, outgoing.offer)
  await cut.race(recorded)
  if (cut.done !== undefined) throw cut.done
  const rules = answerRules(open, call, progress.head!.status, coding)
  return relayAnswer(progress.attempt!, progress.head!, progress.live.needles, sink, rules, cut, carriage.place)
}

/** The grant gave no call: its budget is spent, or it ended since it was read. */
async function exhausted(
  parts: BrokerContext,
  caller: AgentCaller,
  call: ProxyCall,
  facts: CallFacts,
): Promise<Failure> {
  const denial = await denialNow(parts, parts.broker.facts, caller, call, facts.connection.id)
  const isBudget = denial === undefined || denial.more.members?.ended_reason === 'budget'
  if (!isBudget) return denial
  return new Failure(
    'quota_exhausted',
    'The budget of the grant is used up. Ask the owner of the connection for a new grant.',
  )
}
