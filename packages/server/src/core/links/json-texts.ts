/** A text in a JSON document, found where a pattern leads. */
export interface JsonText {
  /** Its bytes with both quotes: from `start` up to `end`. */
  readonly start: number
  readonly end: number
  readonly value: string
  /** Index of the pattern. */
  readonly pattern: number
}

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Deeper nesting is given up on: no API answers so. */
const deepest = 256

/**
 * The texts at these places of a JSON document, where `*` is any item or member. Only the places of the texts are
 * wanted, so nothing is built up, and duplicate names are all found, whichever of them a reader would take. Undefined
 * when the bytes are no JSON document in UTF-8.
 */
export function jsonTexts(body: Buffer, patterns: readonly (readonly string[])[]): readonly JsonText[] | undefined {
  const found: JsonText[] = []
  /** For each open object or array: which it is, and the name or index of the member at hand. */
  const steps: (string | number)[] = []
  const isArray: boolean[] = []
  let at = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0
  /** Deeper than every pattern no name and no text has to be known. */
  const nearest = Math.max(...patterns.map(pattern => pattern.length))
  const blank = () => {
    while (at < body.length && isBlank(body[at]!)) at++
  }
  /** The text that begins at `at`; moves behind it. */
  const text = (): string | undefined => {
    const end = endOfText(body, at)
    if (end === undefined) return undefined
    if (steps.length > nearest) {
      at = end
      return ''
    }
    const raw = body.toString('utf8', at, end)
    at = end
    return raw.includes('\\') ? parsed(raw) : raw.slice(1, -1)
  }
  const patternHere = () =>
    patterns.findIndex(
      pattern =>
        pattern.length === steps.length && pattern.every((step, i) => step === '*' || step === String(steps[i])),
    )
  /** Reads the name of a member and its colon. */
  const name = (): boolean => {
    blank()
    if (body[at] !== quote) return false
    const read = text()
    blank()
    if (read === undefined || body[at] !== colon) return false
    at++
    steps[steps.length - 1] = read
    return true
  }
  for (;;) {
    blank()
    const begin = at
    if (body[at] === openBrace || body[at] === openBracket) {
      if (steps.length >= deepest) return undefined
      isArray.push(body[at] === openBracket)
      steps.push(0)
      at++
      blank()
      if (body[at] !== (isArray.at(-1) ? closeBracket : closeBrace)) {
        if (!isArray.at(-1) && !name()) return undefined
        continue
      }
    } else if (body[at] === quote) {
      const value = text()
      if (value === undefined) return undefined
      const pattern = patternHere()
      if (pattern !== -1) found.push({ start: begin, end: at, value, pattern })
    } else {
      while (at < body.length && isOfWord(body[at]!)) at++
      if (at === begin) return undefined
    }
    // Behind a value, or before the end of an empty object or array: close what ends here.
    for (;;) {
      blank()
      if (steps.length === 0) return at === body.length ? found : undefined
      const inArray = isArray.at(-1)!
      if (body[at] === comma) {
        at++
        if (inArray) steps[steps.length - 1] = (steps.at(-1) as number) + 1
        else if (!name()) return undefined
        break
      }
      if (body[at] !== (inArray ? closeBracket : closeBrace)) return undefined
      at++
      isArray.pop()
      steps.pop()
    }
  }
}

function endOfText(body: Buffer, start: number): number | undefined {
  for (let at = start + 1; at < body.length; at++) {
    if (body[at] === 0x5c) at++
    else if (body[at] === 0x22) return at + 1
  }
  return undefined
}

function parsed(raw: string): string | undefined {
  try {
    return JSON.parse(raw) as string
  } catch {
    return undefined
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Bytes of numbers, `true`, `false` and `null`. */
function isOfWord(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x45
  )
}
