import { rewriteJsonLinks } from '../../core/links/json-links.ts'
import { scrubStream } from '../../core/scrub/scrub-stream.ts'
import type { AnswerRules } from './answer-rules.ts'
import type { Head } from './attempt.ts'
import { headerOf } from './outgoing.ts'
import type { Passage } from './relay-answer.ts'

/** A longer body, or one that there is no room to hold, passes with its links as they are, and says so. */
export const longestBody = 1024 * 1024
const warning = ['valetkey-warning', 'links-not-rewritten']

/** Whether the body may hold links that its operation names. */
export function hasLinks({ rawHeaders }: Head, { fields, hasBody }: AnswerRules): boolean {
  return fields.length > 0 && hasBody && /[/+]json\s*(?:;|$)/i.test(headerOf(rawHeaders, 'content-type') ?? '')
}

/**
 * A JSON body with the links that its operation names leading through the proxy (P7): read whole, changed in these places
 * alone, then searched for secrets. What is too long, or no JSON, or a part of an answer, passes as it is, with a warning.
 */
export function passRewritten(passage: Passage): () => void {
  const { attempt, head, rawHead, needles, rules, sink, room } = passage
  const body = scrubStream(needles)
  let held: Buffer[] = []
  let heldBytes = 0
  let roomTaken = 0
  let isPassing = false
  const passOn = (): boolean => {
    isPassing = true
    head.send({ added: warning })
    const before = held
    held = []
    room.drop(roomTaken)
    roomTaken = 0
    return before.map(chunk => passage.write(body.push(chunk))).every(Boolean)
  }
  const length = Number(headerOf(rawHead.rawHeaders, 'content-length') ?? 0)
  if (length > longestBody || rawHead.status === 206) passOn()
  sink.onDrain(() => attempt.resume())
  attempt.release({
    data(chunk) {
      if (isPassing) return passage.write(body.push(chunk))
      held.push(chunk)
      heldBytes += chunk.length
      if (heldBytes > longestBody || !room.keep(chunk.length)) return passOn()
      roomTaken += chunk.length
      return true
    },
    end(rawTrailers) {
      if (!isPassing) {
        const whole = Buffer.concat(held)
        const rewritten = rewriteJsonLinks(whole, rules.fields, rules.rewriter())
        const out = rewritten?.body ?? whole
        const removed = rewritten?.removed ?? []
        head.send({
          ...(rewritten?.isChanged === true && { length: out.length }),
          added: [
            ...(rewritten === undefined && whole.length > 0 ? warning : []),
            ...(removed.length > 0 ? ['valetkey-link-removed', removed.map(asHeader).join(', ')] : []),
          ],
        })
        passage.write(body.push(out))
      }
      passage.write(body.end())
      passage.whole(rawTrailers, body.hits)
    },
    fail: failure => passage.broken(failure, body.hits),
  })
  return () => {
    held = []
  }
}

/** A pointer in ASCII. */
function asHeader(pointer: string): string {
  return pointer.replace(/[^!-~]/g, char => encodeURIComponent(char))
}
