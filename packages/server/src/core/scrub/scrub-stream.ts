import type { Match, Needles } from './needles.ts'

/** A body on its way out, chunk by chunk. What goes in comes out at the same length, sooner or later. */
export interface ScrubStream {
  /** What may go on now: all but an ending that may be the beginning of a needle. */
  push(chunk: Buffer): Buffer
  /** What was held back. */
  end(): Buffer
  /** Occurrences masked so far. */
  readonly hits: number
}

const nothing = Buffer.alloc(0)
const mask = 0x2a

/**
 * Masks every byte that belongs to an occurrence of a needle with `*`, wherever chunks begin and end: the output depends
 * on the bytes alone. An untouched chunk is passed on as it is, without a copy. A secret that itself holds `*` is masked
 * like any other, but asterisks around it may then spell it again.
 */
export function scrubStream(needles: Needles): ScrubStream {
  let held: Buffer = nothing
  /** How many bytes of `held` belong to an occurrence that began before it. */
  let maskedAhead = 0
  let hits = 0

  const release = (data: Buffer, until: number): Buffer => {
    const matches = needles.find(data)
    let maskedUntil = maskedAhead
    let out = data.subarray(0, until)
    const first = matches[0]
    if (maskedAhead > 0 || (first !== undefined && first.start < until)) {
      out = Buffer.from(out)
      out.fill(mask, 0, Math.min(maskedAhead, until))
      const begun = matches.filter(match => match.start < until)
      hits += begun.length
      maskedUntil = cover(out, begun, maskedUntil)
    }
    held = data.subarray(until)
    maskedAhead = Math.max(0, maskedUntil - until)
    return out
  }

  return {
    push(chunk) {
      if (needles.isEmpty || chunk.length === 0) return chunk
      const data = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const out = release(data, needles.beginning(data))
      // The rest of a chunk must not keep the whole chunk in memory.
      held = held.length === 0 ? nothing : Buffer.from(held)
      return out
    },
    end() {
      return held.length === 0 ? nothing : release(held, held.length)
    },
    get hits() {
      return hits
    },
  }
}

/** Masks the matches in `out` and returns where the last one ends, which may lie behind `out`. */
function cover(out: Buffer, matches: readonly Match[], maskedUntil: number): number {
  let last = maskedUntil
  for (const { start, end } of matches) {
    out.fill(mask, start, Math.min(end, out.length))
    last = Math.max(last, end)
  }
  return last
}
