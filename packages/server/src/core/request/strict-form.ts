import { listedName } from './parameter-name.ts'

export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/** A query or an urlencoded body that every reader reads alike: values by name. */
export type FormValues = ReadonlyMap<string, string>

const refused = (why: string) => ({ ok: false, why }) as const

/**
 * Reads a query or urlencoded body, where it matters which value wins: each name once in whatever spelling, plain names,
 * `&` alone between pairs, well-formed UTF-8. Anything that two readers could take for two things is refused.
 */
export function readForm(text: string): Reading<FormValues> {
  const values = new Map<string, string>()
  const taken = new Set<string>()
  const bare = text.startsWith('?') ? text.slice(1) : text
  if (bare.includes(';')) return refused('";" parts parameters for some readers: percent-encode it as %3B.')
  for (const pair of bare.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : decodeForm(pair.slice(equals + 1))
    if (name === undefined || value === undefined) return refused('The parameters are not well-formed UTF-8.')
    if (!/^[\w.$~:@!*'(),[\]-]{1,256}$/.test(name)) {
      return refused('A parameter has a name with other characters than letters, digits and a few signs.')
    }
    const folded = foldName(name)
    if (taken.has(folded)) return refused(`The parameter ${name} is there more than once, in one spelling or several.`)
    taken.add(folded)
    values.set(name, value)
  }
  return { ok: true, value: values }
}

/** One form for all spellings of a name that a lenient reader takes for the same: case, `name[]`, and PHP's `_` for a dot. */
export function foldName(name: string): string {
  const folded = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u0000-\u0020\u00ad\u200b-\u200f\u2060\ufeff]/g, '')
  return folded.replace(/(?!^)\[.*$/s, '').replaceAll('.', '_')
}

/**
 * How a name is spelt among others, another spelling before the plain one: undefined when no reader, however often it
 * decodes and whatever it folds, would find it there.
 */
export function spellingOf(names: Iterable<string>, name: string): string | undefined {
  const folded = foldName(name)
  const listed = new Set([name.toLowerCase()])
  let found: string | undefined
  for (const one of names) {
    if (one === name) found ??= one
    else if (foldName(one) === folded || listedName(one, listed) !== undefined) return one
  }
  return found
}

function decodeForm(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
