import { scrubStream } from '../../core/scrub/scrub-stream.ts'
import type { BodyNotes } from './answer-head.ts'
import type { Passage } from './relay-answer.ts'

/** A body as it streams, with every secret in it masked. `stop`: nothing to give up. */
export function passPlain(passage: Passage, notes?: BodyNotes): () => void {
  const { attempt, head, needles, sink } = passage
  const body = scrubStream(needles)
  head.send(notes)
  sink.onDrain(() => attempt.resume())
  attempt.release({
    data: chunk => passage.write(body.push(chunk)),
    end(rawTrailers) {
      passage.write(body.end())
      passage.whole(rawTrailers, body.hits)
    },
    fail: failure => passage.broken(failure, body.hits),
  })
  return () => {}
}
