import { Failure } from '../../core/failure.ts'
import { type Coding, codingOf, type Offer } from '../../core/request/content-codings.ts'
import type { Needles } from '../../core/scrub/needles.ts'
import type { EgressFailure } from '../../engines/egress/egress.ts'
import { answerHead } from './answer-head.ts'
import type { AnswerRules } from './answer-rules.ts'
import type { AnswerSink } from './answer-sink.ts'
import type { Attempt, Head } from './attempt.ts'
import type { CallCut } from './call-cut.ts'
import type { CallPlace } from './call-room.ts'
import { passCompressed } from './pass-compressed.ts'
import { passPlain } from './pass-plain.ts'
import { hasLinks, passRewritten } from './pass-rewritten.ts'

export interface Relayed {
  /**
   * `whole`: to its last byte; `cut`: provider, agent, a revocation or a secret in it ended it before; `refused`: nothing
   * of it went out, and `failure` says why.
   */
  readonly end: 'whole' | 'cut' | 'refused'
  readonly bytesOut: number
  /** Places where the answer echoed a secret. */
  readonly echoes: number
  readonly failure?: EgressFailure | Failure
}

/** The body of an answer on its way, as one of the ways to pass it sees its surroundings. */
export interface Passage {
  readonly attempt: Attempt
  readonly head: ReturnType<typeof answerHead>
  readonly rawHead: Head
  readonly needles: Needles
  readonly sink: AnswerSink
  readonly rules: AnswerRules
  /** Whether so much of the answer may be held, and when it is so no more. */
  readonly room: Pick<CallPlace, 'keep' | 'drop'>
  /** Sends body bytes; false: wait for the drain. */
  write(chunk: Buffer): boolean
  /** The end of the answer; `echoes` in its body. */
  whole(rawTrailers: readonly string[], echoes: number): void
  /** It breaks off: as a failure while nothing was sent, then as a broken connection. */
  broken(failure: EgressFailure | Failure, echoes: number): void
}

/**
 * The coding of the body, undefined for none. Throws `provider_answer_refused` for a body that cannot be searched. Before
 * the head.
 */
export function requireReadable(head: Head, method: string, offer: Offer): Coding | undefined {
  const hasBody = method !== 'HEAD' && head.status !== 204 && head.status !== 304
  const coding = hasBody ? codingOf(head.rawHeaders, offer) : undefined
  if (coding !== 'unreadable') return coding
  throw new Failure(
    'provider_answer_refused',
    'The provider sent a body in an encoding that was not asked for. It cannot be checked for secrets.',
  )
}

/**
 * Passes an answer on: status, the headers that an agent may see, the body as it streams, trailers; every live secret of
 * the connection masked, or, in a compressed body, refused (P1); links to the provider leading through the proxy (P7).
 * Back-pressure goes from the agent to the provider. An answer that breaks off upstream breaks off here, and never ends as
 * if it were whole.
 */
export function relayAnswer(
  attempt: Attempt,
  rawHead: Head,
  needles: Needles,
  sink: AnswerSink,
  rules: AnswerRules,
  cut: CallCut,
  room: Pick<CallPlace, 'keep' | 'drop'>,
): Promise<Relayed> {
  const head = answerHead(rawHead, needles, sink, rules)
  return new Promise<Relayed>((resolve, reject) => {
    let bytesOut = 0
    const settle = (end: Relayed['end'], echoes: number, failure?: Relayed['failure']) =>
      resolve({ end, bytesOut, echoes: head.echoes + echoes, ...(failure !== undefined && { failure }) })
    const passage: Passage = {
      attempt,
      head,
      rawHead,
      needles,
      sink,
      rules,
      room,
      write(chunk) {
        if (chunk.length === 0) return true
        bytesOut += chunk.length
        return sink.write(chunk)
      },
      whole(rawTrailers, echoes) {
        sink.end(head.trailers(rawTrailers))
        settle('whole', echoes)
      },
      broken(failure, echoes) {
        if (head.isSent) sink.cut()
        settle(head.isSent ? 'cut' : 'refused', echoes, failure)
      },
    }
    const pass = rules.coding !== undefined ? passCompressed : hasLinks(rawHead, rules) ? passRewritten : passPlain
    const stop = pass(passage)
    cut.onCut(done => {
      // Whoever waits for a head that was not sent hears why there will be none.
      if (!head.isSent) reject(done)
      attempt.abort(done.why)
      stop()
      if (!head.isSent) return
      sink.cut()
      // The provider may have ended its part already, and nothing more is heard of it.
      settle('cut', 0)
    })
  })
}
