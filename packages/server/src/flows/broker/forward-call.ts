import type { AgentCaller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import type { Secret } from '../../core/secret.ts'
import { EgressFailure } from '../../engines/egress/egress.ts'
import { checkConnection } from '../credentials/check-connection.ts'
import { markNeedsReauth, tellChanged } from '../credentials/mark-connection.ts'
import type { OpenCredential } from '../credentials/open-credential.ts'
import { renewToken } from '../credentials/renew-token.ts'
import { usableToken } from '../credentials/usable-token.ts'
import { type AccessSubject, accessEvent, firstUseEvent, veiledPath } from './access-event.ts'
import type { AnswerSink } from './answer-sink.ts'
import { Attempt, type Head } from './attempt.ts'
import type { Broker } from './broker.ts'
import type { BrokerParts } from './broker-parts.ts'
import { CallCut, Cut } from './call-cut.ts'
import type { CallFacts } from './call-facts.ts'
import { failureOfEgress } from './egress-answer.ts'
import type { LiveSecrets } from './live-secrets.ts'
import { type CallNotes, denialNow, type OpenCall, openCall } from './open-call.ts'
import { type Outgoing, prepareOutgoing } from './outgoing.ts'
import type { ProxyCall } from './proxy-call.ts'
import { type Relayed, relayAnswer, requireReadable } from './relay-answer.ts'
import { refusalOf } from './unauthorized-answer.ts'
import { Upload } from './upload.ts'

type Context = BrokerParts & { readonly broker: Broker }

/**
 * One call of an agent, from its request to the last byte of the answer (DESIGN, "Life of one brokered call"). Throws a
 * `Failure` as long as no head was sent; afterwards a failure breaks the connection. Every call leaves one
 * `access.denied`, or one `access.allowed` and its `access.completed`.
 */
export async function forwardCall(
  parts: Context,
  caller: AgentCaller,
  call: ProxyCall,
  sink: AnswerSink,
): Promise<void> {
  const cut = new CallCut()
  sink.onGone(() => cut.cut('agent_gone'))
  const upload = new Upload(call.body, call.takeBody)
  const notes: CallNotes = {
    subject: { method: call.method.slice(0, 20), host: hostOnRecord(call.host), pathTemplate: '' },
    reasons: [],
  }
  let open: OpenCall | undefined
  try {
    open = await openCall(parts, parts.broker.facts, parts.broker.streams, caller, call, cut, notes)
    const { provider } = open.facts
    const outgoing = await cut.race(prepareOutgoing(provider, open.decision.target, call, upload))
    await carry(parts, caller, call, sink, { open, outgoing, upload, cut })
  } catch (thrown) {
    const failure = await asRefusal(parts, caller, call, open, thrown)
    if (failure !== undefined && !(thrown instanceof Carried)) {
      await recordDenied(parts, caller, call, notes, failure, sink)
    }
    if (failure !== undefined) throw failure
  } finally {
    open?.leave()
  }
}

/** A host is a name; what is none stays off the record, for an agent may write anything there. */
function hostOnRecord(host: string | undefined): string {
  return host !== undefined && /^[a-z0-9.:-]{1,253}$/.test(host) ? host : ''
}

/** A failure of a call whose intent is on the record already: it has its outcome there and is no denial. */
class Carried extends Error {
  constructor(cause: unknown) {
    super('carried', { cause })
  }
}

/** What the agent hears. Undefined when there is nobody to hear it. */
async function asRefusal(
  parts: Context,
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
  parts: Context,
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
}

/** A path that no pattern stands for is veiled. */
async function onRecord(
  parts: Context,
  caller: AgentCaller,
  call: ProxyCall,
  subject: AccessSubject,
): Promise<AccessSubject> {
  if (subject.pathTemplate !== '') return subject
  return { ...subject, pathTemplate: await veiledPath(parts, caller.tenant, call.path) }
}

async function recordOrRefuse(
  parts: Context,
  caller: AgentCaller,
  entry: Parameters<Context['store']['record']>[1],
): Promise<'recorded' | 'exhausted'> {
  try {
    return await parts.store.record(caller.tenant, entry)
  } catch (cause) {
    throw new Failure(
      'unavailable',
      'The call cannot be put on the record at the moment, so it is not made. Try again.',
      {
        cause,
        retryAfterSeconds: 2,
      },
    )
  }
}

interface Carriage {
  readonly open: OpenCall
  readonly outgoing: Outgoing
  readonly upload: Upload
  readonly cut: CallCut
}

interface Progress {
  attempt?: Attempt
  live?: LiveSecrets
  head?: Head
  isReplayed: boolean
}

/** Intent, credential, request, answer, outcome. */
async function carry(
  parts: Context,
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
    facts: {
      ...(progress.isReplayed && { replayed: true }),
      ...endFacts(relayed, failed, cut),
    },
  })
  const { broker } = parts
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
    broker.after(parts.store.record(tenant, { event: echo }), 'An echoed secret could not be recorded', { tenant })
  }
  if (failed !== undefined) throw new Carried(failed)
}

/** Sends the request and passes its answer on. The answer's first byte waits for the record of the intent (P2). */
async function exchange(
  parts: Context,
  call: ProxyCall,
  sink: AnswerSink,
  carriage: Carriage,
  recording: Promise<'recorded' | 'exhausted'>,
  progress: Progress,
): Promise<Relayed> {
  const { open, cut } = carriage
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
  await send(parts, facts, carriage, recorded, progress)
  const refusal = await cut.race(refusalOf(progress.attempt!, progress.head!, facts.provider.entry))
  if (refusal !== undefined) await meetRefusal(parts, carriage, refusal, recorded, progress)
  requireReadable(progress.head!, call.method)
  await cut.race(recorded)
  if (cut.done !== undefined) throw cut.done
  cut.onCut(({ why }) => {
    progress.attempt!.abort(why)
    sink.cut()
  })
  return relayAnswer(progress.attempt!, progress.head!, progress.live.needles, sink)
}

/** Never resolves; rejects as `work` does. */
function failureIn(work: Promise<unknown>): Promise<never> {
  return work.then(() => new Promise<never>(() => {}))
}

async function send(
  parts: Context,
  facts: CallFacts,
  { outgoing, cut }: Carriage,
  recorded: Promise<void>,
  progress: Progress,
): Promise<void> {
  // Between the last wait and this line a revocation may have come: nothing is sent any more.
  if (cut.done !== undefined) throw cut.done
  const request = outgoing.with(progress.live!.credential.accessToken)
  const attempt = new Attempt(parts.egress, facts.connection.tenant, request)
  progress.attempt = attempt
  progress.head = await cut.race(Promise.race([attempt.head, failureIn(recorded)]))
}

/** The credential of the call, opened, with the search for its secrets. */
async function liveToken(parts: Context, facts: CallFacts): Promise<LiveSecrets> {
  const { credential } = facts
  if (credential === undefined) {
    throw new Failure('needs_reauth', 'The connection holds no credential. Ask its owner to connect it again.')
  }
  let opened: LiveSecrets | undefined
  const usable = await usableToken(parts, facts, credential, async () => {
    opened = await parts.broker.secrets.open(facts)
    return opened.credential
  })
  if (opened !== undefined) return opened
  const old = await parts.broker.secrets.open(facts)
  return parts.broker.secrets.around(facts, usable, secretsOf(old.credential))
}

function secretsOf({ accessToken, refreshToken }: OpenCredential): readonly Secret[] {
  return refreshToken === undefined ? [accessToken] : [accessToken, refreshToken]
}

/**
 * The provider does not take the token any more: one renewal for all callers, one more try with the new token if the
 * body can be sent again. What it answers then passes as it is, and the connection is looked at (row 63).
 */
async function meetRefusal(
  parts: Context,
  carriage: Carriage,
  refusal: 'status' | 'declared',
  recorded: Promise<void>,
  progress: Progress,
): Promise<void> {
  const { cut, upload, open } = carriage
  const { facts } = open
  const { broker } = parts
  const { id } = facts.connection
  const { credential } = progress.live!
  if (broker.doubts.isDoubted(id, credential.generation)) return
  const renewal = await cut.race(renewToken(parts, facts, { generation: credential.generation, isDead: true }))
  switch (renewal.kind) {
    case 'failed':
      return
    case 'needs_person':
      broker.doubts.doubt(id, credential.generation)
      return lookAtRefused(parts, open, refusal === 'declared' || open.decision.operation !== undefined)
    case 'renewed': {
      progress.attempt!.abort('the token was renewed')
      if (!upload.isReplayable) {
        throw new Failure('retry_body', 'The token was renewed, but the body is too large to be kept. Send it again.', {
          retryAfterSeconds: 1,
        })
      }
      progress.live = await broker.secrets.around(facts, renewal.credential, secretsOf(credential))
      progress.isReplayed = true
      delete progress.head
      await send(parts, facts, carriage, recorded, progress)
      const again = await cut.race(refusalOf(progress.attempt!, progress.head!, facts.provider.entry))
      if (again === undefined) return
      broker.doubts.doubt(id, renewal.credential.generation)
      return lookAtRefused(parts, open, again === 'declared')
    }
  }
}

/**
 * The provider refuses a token that nobody can renew, or that was renewed just now. Its account endpoint is asked, after
 * the agent has its answer; where the entry knows none, the refusal itself counts if it is certain to be about the token.
 */
function lookAtRefused(parts: Context, { facts }: OpenCall, isCertain: boolean): void {
  const { id, tenant } = facts.connection
  const hasEndpoint = facts.provider.entry.oauth.account?.source === 'endpoint'
  if (!hasEndpoint && !isCertain) return
  const look = hasEndpoint
    ? checkConnection(parts, undefined, id, { tenant, mayRenew: false })
    : parts.store
        .change(tenant, rows => markNeedsReauth(parts, rows, id, 'token_refused'))
        .then(() => tellChanged(parts, tenant, id))
  parts.broker.after(look, 'A refused connection could not be checked', { tenant })
}

/** The grant gave no call: its budget is spent, or it ended since it was read. */
async function exhausted(parts: Context, caller: AgentCaller, call: ProxyCall, facts: CallFacts): Promise<Failure> {
  const denial = await denialNow(parts, parts.broker.facts, caller, call, facts.connection.id)
  const isBudget = denial === undefined || denial.more.members?.ended_reason === 'budget'
  if (!isBudget) return denial
  return new Failure(
    'quota_exhausted',
    'The budget of the grant is used up. Ask the owner of the connection for a new grant.',
  )
}

function outcomeOf(progress: Progress, relayed: Relayed | undefined, failed: unknown): 'ok' | 'error' | 'unknown' {
  if (relayed?.end === 'whole' && failed === undefined) return progress.head!.status < 400 ? 'ok' : 'error'
  if (relayed !== undefined) return progress.head!.status < 400 ? 'unknown' : 'error'
  // A request that may have reached the provider and got no answer: nobody knows what it did.
  const { attempt, head } = progress
  return attempt !== undefined && head === undefined && attempt.failure?.sent !== false ? 'unknown' : 'error'
}

function endFacts(relayed: Relayed | undefined, failed: unknown, cut: CallCut): Readonly<Record<string, string>> {
  const failure = relayed?.failure ?? failed
  return {
    ...(cut.done !== undefined && { cut: cut.done.why }),
    ...(failure instanceof EgressFailure && failure.kind !== 'aborted' && { failure: failure.kind }),
    ...(failure instanceof Failure && { failure: failure.code }),
  }
}
