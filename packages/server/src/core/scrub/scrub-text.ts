import type { Needles } from './needles.ts'
import { scrubStream } from './scrub-stream.ts'

/** A header or trailer value (latin1, as it is on the wire) with every occurrence masked at the same length. */
export function scrubText(needles: Needles, text: string): { readonly text: string; readonly hits: number } {
  if (!needles.mayOccurIn(text)) return { text, hits: 0 }
  const stream = scrubStream(needles)
  const bytes = Buffer.from(text, 'latin1')
  const out = Buffer.concat([stream.push(bytes), stream.end()])
  return stream.hits === 0 ? { text, hits: 0 } : { text: out.toString('latin1'), hits: stream.hits }
}
