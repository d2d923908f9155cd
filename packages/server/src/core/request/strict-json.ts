import { foldName, type Reading, spellingOf } from './strict-form.ts'

/** Deeper is refused: readers give up at different depths. */
const deepest = 100

export interface StrictJson {
  readonly value: unknown
  /** Some whole number is written in another way than we would write it; readers round these differently. */
  readonly hasOddNumbers: boolean
}

/**
 * Reads JSON where it matters which member wins: RFC 8259 without leniency, and no member of one object twice, in whatever
 * spelling (some readers take names without regard to case).
 */
export function readJson(text: string): Reading<StrictJson> {
  const scanned = scan(text)
  if (typeof scanned === 'string') return { ok: false, why: scanned }
  try {
    return { ok: true, value: { value: JSON.parse(text) as unknown, ...scanned } }
  } catch {
    return { ok: false, why: malformed }
  }
}

const malformed = 'The JSON is not well-formed.'

/** One pass over the text, which may not be JSON at all: `JSON.parse` says so afterwards. */
function scan(text: string): { readonly hasOddNumbers: boolean } | string {
  /** Names of each open object, or undefined for a list. */
  const open: (Set<string> | undefined)[] = []
  let isName = false
  let hasOddNumbers = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') {
      const end = endOfString(text, at)
      if (end === undefined) return malformed
      const names = open.at(-1)
      if (isName && names !== undefined) {
        const name = nameIn(text.slice(at, end + 1))
        if (name === undefined) return malformed
        const folded = foldName(name)
        if (names.has(folded)) {
          return `The member "${name.slice(0, 100)}" is there more than once, in one spelling or several.`
        }
        names.add(folded)
      }
      isName = false
      at = end
    } else if (char === '{' || char === '[') {
      if (open.length >= deepest) return `The JSON is nested more than ${deepest} deep.`
      open.push(char === '{' ? new Set() : undefined)
      isName = char === '{'
    } else if (char === '}' || char === ']') {
      open.pop()
      isName = false
    } else if (char === ',') isName = open.at(-1) !== undefined
    else if (char === '-' || (char >= '0' && char <= '9')) {
      let end = at + 1
      while (end < text.length && /[0-9.eE+-]/.test(text[end]!)) end++
      // Short runs of digits are as we would write them, save for a zero at their front, which is no JSON.
      if (end - at > 1) hasOddNumbers ||= isOdd(text.slice(at, end))
      at = end - 1
    }
  }
  return { hasOddNumbers }
}

function isOdd(source: string): boolean {
  const value = Number(source)
  return Number.isInteger(value) && String(value) !== source
}

function endOfString(text: string, start: number): number | undefined {
  for (let from = start + 1; ; ) {
    const end = text.indexOf('"', from)
    if (end === -1) return undefined
    let slashes = 0
    while (text[end - 1 - slashes] === '\\' && end - 1 - slashes > start) slashes++
    if (slashes % 2 === 0) return end
    from = end + 1
  }
}

function nameIn(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  try {
    return JSON.parse(quoted) as string
  } catch {
    return undefined
  }
}

/**
 * What stands at a pointer (RFC 6901, `*` for each item of a list), as a list. Undefined: a member that the pointer names
 * is there in another spelling, or a list stands where none was expected or the other way round.
 */
export function valuesAt(value: unknown, pointer: string): readonly unknown[] | undefined {
  let at: unknown[] = [value]
  for (const step of pointer.slice(1).split('/')) {
    const next: unknown[] = []
    for (const one of at) {
      if (one === undefined || one === null) continue
      if (step === '*') {
        if (!Array.isArray(one)) return undefined
        next.push(...(one as unknown[]))
        continue
      }
      if (typeof one !== 'object' || Array.isArray(one)) return undefined
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
      const spelt = spellingOf(Object.keys(one), name)
      if (spelt === undefined) continue
      if (spelt !== name) return undefined
      next.push((one as Record<string, unknown>)[name])
    }
    at = next
  }
  return at.filter(one => one !== undefined && one !== null)
}
