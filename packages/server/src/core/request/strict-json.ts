import { foldName, type Reading } from './strict-form.ts'

/** Deeper is refused: readers give up at different depths. */
const deepest = 100

/**
 * Reads JSON where it matters which member wins: RFC 8259 without leniency, and no member of one object twice, in whatever
 * spelling (some readers take names without regard to case). A number that is not written as we would write it becomes
 * NaN, because readers round differently.
 */
export function readJson(text: string): Reading<unknown> {
  let value: unknown
  try {
    value = JSON.parse(text, asWritten as (key: string, value: unknown) => unknown)
  } catch {
    return { ok: false, why: 'The JSON is not well-formed.' }
  }
  const fault = memberFault(text)
  return fault === undefined ? { ok: true, value } : { ok: false, why: fault }
}

function asWritten(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && context?.source !== String(value) ? Number.NaN : value
}

/** Of text that is well-formed. */
function memberFault(text: string): string | undefined {
  /** Names of each open object, or undefined for a list. */
  const open: (Set<string> | undefined)[] = []
  let isName = false
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs
  for (const [found] of text.matchAll(token)) {
    switch (found) {
      case '{':
      case '[':
        if (open.length >= deepest) return `The JSON is nested more than ${deepest} deep.`
        open.push(found === '{' ? new Set() : undefined)
        isName = found === '{'
        break
      case '}':
      case ']':
        open.pop()
        isName = false
        break
      case ',':
        isName = open.at(-1) !== undefined
        break
      case ':':
        isName = false
        break
      default: {
        const names = open.at(-1)
        if (!isName || names === undefined) break
        const name = JSON.parse(found) as string
        const folded = foldName(name)
        if (names.has(folded))
          return `The member "${name.slice(0, 100)}" is there more than once, in one spelling or several.`
        names.add(folded)
      }
    }
  }
  return undefined
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
      const spelt = Object.keys(one).find(key => foldName(key) === foldName(name))
      if (spelt === undefined) continue
      if (spelt !== name) return undefined
      next.push((one as Record<string, unknown>)[name])
    }
    at = next
  }
  return at.filter(one => one !== undefined && one !== null)
}
