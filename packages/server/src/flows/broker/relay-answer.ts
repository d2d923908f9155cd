import { Failure } from '../../core/failure.ts'
import { answerHeaders, answerTrailers, hasUnaskedEncoding } from '../../core/request/answer-headers.ts'
import { shieldedHeaders } from '../../core/request/shielded-headers.ts'
import type { Needles } from '../../core/scrub/needles.ts'
import { scrubStream } from '../../core/scrub/scrub-stream.ts'
import { scrubText } from '../../core/scrub/scrub-text.ts'
import type { EgressFailure } from '../../engines/egress/egress.ts'
import type { AnswerSink } from './answer-sink.ts'
import type { Attempt, Head } from './attempt.ts'

export interface Relayed {
  /** `whole`: to its last byte; `cut`: the provider, the agent or a revocation ended it before. */
  readonly end: 'whole' | 'cut'
  readonly bytesOut: number
  /** Places where the answer echoed a secret. */
  readonly echoes: number
  readonly failure?: EgressFailure
}

/** Throws `provider_answer_refused` for a body that cannot be scrubbed. Before the head. */
export function requireReadable(head: Head, method: string): void {
  const hasBody = method !== 'HEAD' && head.status !== 204 && head.status !== 304
  if (hasBody && hasUnaskedEncoding(head.rawHeaders)) {
    throw new Failure(
      'provider_answer_refused',
      'The provider sent an encoded body although none was asked for. It cannot be checked for secrets.',
    )
  }
}

/**
 * Passes an answer on: status, the headers that an agent may see, the body as it streams, trailers; each with every live
 * secret of the connection masked (P1). Back-pressure goes from the agent to the provider. An answer that breaks off
 * upstream breaks off here, and never ends as if it were whole.
 */
export function relayAnswer(attempt: Attempt, head: Head, needles: Needles, sink: AnswerSink): Promise<Relayed> {
  let echoes = 0
  const masked = (headers: readonly string[]): string[] => {
    const clean: string[] = []
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = scrubText(needles, headers[i]!)
      const value = scrubText(needles, headers[i + 1]!)
      echoes += name.hits + value.hits
      // A name with asterisks in it says nothing to anybody.
      if (name.hits === 0) clean.push(headers[i]!, value.text)
    }
    return clean
  }
  const body = scrubStream(needles)
  let bytesOut = 0
  const write = (chunk: Buffer): boolean => {
    if (chunk.length === 0) return true
    bytesOut += chunk.length
    return sink.write(chunk)
  }
  sink.head(head.status, shieldedHeaders(masked(answerHeaders(head.rawHeaders)), head.status))
  return new Promise<Relayed>(resolve => {
    const settle = (end: Relayed['end'], failure?: EgressFailure) =>
      resolve({ end, bytesOut, echoes: echoes + body.hits, ...(failure !== undefined && { failure }) })
    sink.onDrain(() => attempt.resume())
    attempt.release({
      data: chunk => write(body.push(chunk)),
      end: rawTrailers => {
        write(body.end())
        sink.end(masked(answerTrailers(rawTrailers)))
        settle('whole')
      },
      fail: failure => {
        sink.cut()
        settle('cut', failure)
      },
    })
  })
}
