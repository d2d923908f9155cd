import { rewriteLinkHeaders } from '../../core/links/answer-links.ts'
import { answerHeaders, answerTrailers } from '../../core/request/answer-headers.ts'
import { shieldedHeaders } from '../../core/request/shielded-headers.ts'
import type { Needles } from '../../core/scrub/needles.ts'
import { scrubText } from '../../core/scrub/scrub-text.ts'
import type { AnswerRules } from './answer-rules.ts'
import type { AnswerSink } from './answer-sink.ts'
import type { Head } from './attempt.ts'

/** What has to be said of the body by whoever changed it. */
export interface BodyNotes {
  /** The length of a body that was changed. */
  readonly length?: number
  /** Flat list of headers of ours. */
  readonly added?: readonly string[]
}

/** The head of an answer, which goes out once, and its trailers. */
export interface AnswerHead {
  readonly isSent: boolean
  /** Places where headers and trailers echoed a secret, so far. */
  readonly echoes: number
  send(notes?: BodyNotes): void
  trailers(rawTrailers: readonly string[]): string[]
}

/** What no longer fits a body that was changed (RFC 9530, RFC 1864). */
const ofTheBody = /^(?:content-length|content-md5|digest|content-digest|repr-digest)$/i

/** Status and headers as the agent may see them: links lead through the proxy (P7), secrets are masked (P1). */
export function answerHead(head: Head, needles: Needles, sink: AnswerSink, rules: AnswerRules): AnswerHead {
  let isSent = false
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
  return {
    get isSent() {
      return isSent
    },
    get echoes() {
      return echoes
    },
    send({ length, added = [] } = {}) {
      isSent = true
      // Masked last: a link is written anew, and could then spell what was hidden in it.
      const headers = masked(rewriteLinkHeaders(answerHeaders(head.rawHeaders), rules.rewriter))
      const kept =
        length === undefined
          ? headers
          : headers
              .filter((_, index) => !ofTheBody.test(headers[index - (index % 2)]!))
              .concat('content-length', `${length}`)
      sink.head(head.status, [...shieldedHeaders(kept, head.status), ...added])
    },
    trailers: rawTrailers => masked(answerTrailers(rawTrailers)),
  }
}
