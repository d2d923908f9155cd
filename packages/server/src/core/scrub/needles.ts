import { inspect } from 'node:util'
import { Secret } from '../secret.ts'
import { spellingsOf } from './spellings.ts'

/** A shorter secret is not searched for: it would be found everywhere by chance, and masking it would tell it. */
export const minSecretLength = 8

/** How much of each needle the skip table looks at. Longer skips further; past this the table only costs more. */
const maxWindow = 24

/**
 * The skip table has a cell for each hash of two bytes. Two pairs in one cell cost a look, never a miss; 4 KiB stay in the
 * processor's nearest cache and may be kept for many connections.
 */
const pairs = 4_096

function pairOf(first: number, second: number): number {
  return ((first << 5) ^ second) & (pairs - 1)
}

/** One occurrence: the bytes from `start` up to `end`. */
export interface Match {
  readonly start: number
  readonly end: number
}

/**
 * What to look for, prepared once for a set of secrets and used for any number of answers. Search is Wu and Manber's:
 * a table of byte pairs says how far no needle can begin, so that most bytes are never looked at.
 */
export class Needles {
  readonly #needles: readonly Buffer[]
  readonly #window: number
  readonly #skip: Uint8Array
  /** Needles by the byte pair that ends their window. */
  readonly #byTail: ReadonlyMap<number, readonly Buffer[]>
  /** Needles by their first byte, for the search of a beginning at the end of a chunk. */
  readonly #byHead: readonly (readonly Buffer[] | undefined)[]
  readonly #longest: number

  constructor(secrets: readonly (Secret | string)[]) {
    const texts = secrets.map(secret => (secret instanceof Secret ? secret.reveal() : secret))
    const spellings = new Set(texts.filter(isSearchable).flatMap(spellingsOf))
    this.#needles = [...spellings].map(spelling => Buffer.from(spelling, 'latin1'))
    this.#longest = Math.max(0, ...this.#needles.map(needle => needle.length))
    this.#window = Math.min(maxWindow, ...this.#needles.map(needle => needle.length))
    this.#skip = new Uint8Array(this.#needles.length === 0 ? 0 : pairs).fill(this.#window - 1)
    const byTail = new Map<number, Buffer[]>()
    const byHead: Buffer[][] = []
    for (const needle of this.#needles) {
      for (let i = 0; i + 1 < this.#window; i++) {
        const pair = pairOf(needle[i]!, needle[i + 1]!)
        this.#skip[pair] = Math.min(this.#skip[pair]!, this.#window - 2 - i)
      }
      const tail = pairOf(needle[this.#window - 2]!, needle[this.#window - 1]!)
      byTail.set(tail, [...(byTail.get(tail) ?? []), needle])
      byHead[needle[0]!] = [...(byHead[needle[0]!] ?? []), needle]
    }
    this.#byTail = byTail
    this.#byHead = byHead
  }

  /** Whether there is nothing to look for. */
  get isEmpty(): boolean {
    return this.#needles.length === 0
  }

  /** Every occurrence that is complete in `data`, overlapping ones too, by ascending start. */
  find(data: Buffer): Match[] {
    const found: Match[] = []
    if (this.isEmpty) return found
    const skip = this.#skip
    const window = this.#window
    const length = data.length
    let at = window - 1
    while (at < length) {
      const pair = pairOf(data[at - 1]!, data[at]!)
      const step = skip[pair]!
      if (step > 0) {
        at += step
        continue
      }
      const start = at - window + 1
      let end = 0
      for (const needle of this.#byTail.get(pair)!) {
        const until = start + needle.length
        if (
          until > end &&
          until <= length &&
          data[start] === needle[0] &&
          data.compare(needle, 0, needle.length, start, until) === 0
        ) {
          end = until
        }
      }
      if (end > 0) found.push({ start, end })
      at++
    }
    return found
  }

  /**
   * Whether a text (latin1, as headers are) may hold an occurrence: false is certain. Nearly every header is done with
   * here, and nothing is made for it.
   */
  mayOccurIn(text: string): boolean {
    const { length } = text
    if (this.isEmpty || length < this.#window) return false
    const skip = this.#skip
    let at = this.#window - 1
    while (at < length) {
      const pair = pairOf(text.charCodeAt(at - 1) & 0xff, text.charCodeAt(at) & 0xff)
      const step = skip[pair]!
      if (step > 0) at += step
      else if (this.#byTail.has(pair)) return true
      else at++
    }
    return false
  }

  /** Where the longest ending of `data` begins that may be the beginning of a needle; `data.length` if there is none. */
  beginning(data: Buffer): number {
    const length = data.length
    for (let start = Math.max(0, length - this.#longest + 1); start < length; start++) {
      const candidates = this.#byHead[data[start]!]
      if (candidates === undefined) continue
      const rest = length - start
      for (const needle of candidates) {
        if (
          needle.length > rest &&
          (rest === 1 || needle[1] === data[start + 1]) &&
          data.compare(needle, 0, rest, start) === 0
        )
          return start
      }
    }
    return length
  }

  toString(): string {
    return '[needles]'
  }
  toJSON(): string {
    return '[needles]'
  }
  [inspect.custom](): string {
    return '[needles]'
  }
}

/**
 * Prepares the search for these secrets; those shorter than `minSecretLength` are left out. Costs a fraction of a
 * millisecond, so make it once for each generation of a credential and keep it beside the opened secret.
 */
export function makeNeedles(secrets: readonly (Secret | string)[]): Needles {
  return new Needles(secrets)
}

function isSearchable(secret: string): boolean {
  return secret.length >= minSecretLength
}
