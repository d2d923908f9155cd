/**
 * Path patterns of operations and of `paths` rules: literals, `{name}` for one segment, `{name}:verb` for one segment
 * with a literal end, and `**`, last, for the rest of the path. Nothing else: no regular expressions, no partial stars.
 */
export interface PathPattern {
  readonly text: string
  readonly segments: readonly PatternSegment[]
}

export type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string; readonly ending: string }
  | { readonly kind: 'rest' }

const nameSegment = /^\{([A-Za-z][A-Za-z0-9_]*)\}(:[A-Za-z0-9._~-]+)?$/
// Unreserved and sub-delims of RFC 3986, `:` and `@`; percent-encoding has no place in a pattern.
const literalSegment = /^[A-Za-z0-9._~!$&'()+,;=:@-]+$/

/** What is wrong with a pattern, in words for its author; undefined when nothing is. */
export function checkPattern(text: string): string | undefined {
  if (!text.startsWith('/')) return 'A path pattern begins with "/".'
  if (text.length > 512) return 'A path pattern has at most 512 characters.'
  if (text === '/') return undefined
  const segments = text.slice(1).split('/')
  const names = new Set<string>()
  for (const [index, segment] of segments.entries()) {
    if (segment === '') return 'A path pattern has no empty segments and no "/" at its end.'
    if (segment === '.' || segment === '..') return 'A path pattern has no "." or ".." segments.'
    if (segment === '**') {
      if (index !== segments.length - 1) return '"**" stands only at the end of a path pattern.'
      continue
    }
    const name = nameSegment.exec(segment)?.[1]
    if (name !== undefined) {
      if (names.has(name)) return `The name {${name}} stands twice.`
      names.add(name)
      continue
    }
    if (!literalSegment.test(segment)) {
      return `The segment "${segment}" is neither a literal, nor {name} for one whole segment, nor "**".`
    }
  }
  return undefined
}

/** Reads a pattern once. A malformed one is a TypeError: check it where it comes in, with `checkPattern`. */
export function compilePattern(text: string): PathPattern {
  const fault = checkPattern(text)
  if (fault !== undefined) throw new TypeError(`${fault} (${text})`)
  if (text === '/') return { text, segments: [] }
  return { text, segments: text.slice(1).split('/').map(segmentOf) }
}

function segmentOf(text: string): PatternSegment {
  if (text === '**') return { kind: 'rest' }
  const name = nameSegment.exec(text)
  if (name !== null) return { kind: 'name', name: name[1]!, ending: name[2] ?? '' }
  return { kind: 'literal', text }
}

/** Whether a path matches the pattern. The path is hygienic; unreserved characters may be percent-encoded in it. */
export function matchPattern(pattern: PathPattern, path: string): boolean {
  const given = segmentsOf(path)
  if (given === undefined) return false
  for (const [index, segment] of pattern.segments.entries()) {
    if (segment.kind === 'rest') return isRest(given.slice(index), index === 0)
    const at = given[index]
    if (at === undefined || at === '') return false
    if (segment.kind === 'literal' ? at !== segment.text : !matchesName(segment.ending, at)) return false
  }
  return given.length === pattern.segments.length
}

/** `**` takes one or more segments and a slash at the end; no segment only where such a slash, or the root, stands for it. */
function isRest(rest: readonly string[], isRoot: boolean): boolean {
  if (rest.length === 0) return isRoot
  return !rest.slice(0, -1).includes('')
}

/** A `{name}` takes one or more characters before its literal end. */
export function matchesName(ending: string, segment: string): boolean {
  return segment.length > ending.length && segment.endsWith(ending)
}

/** Segments of a path after `decodeUnreserved`; undefined when it is no absolute path. `/` has none. */
export function segmentsOf(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined
  if (path === '/') return []
  return decodeUnreserved(path).slice(1).split('/')
}

/** RFC 3986 section 6.2.2.2: percent-encoded unreserved characters mean the same as the characters themselves. */
export function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9._~-]/.test(character) ? character : encoded
  })
}

/** Plain segments in lower case, none with a dot at its beginning and no slash at the end. */
const foldedAlready = /^(?:\/[a-z0-9_~:@-][a-z0-9._~:@-]*)+$/

/**
 * The loosest reading of a path that a careless server might have: everything percent-decoded, lower case, no matrix
 * parameters, no empty segments. Used only to refuse what looks like something else, never to allow.
 */
export function foldPath(path: string): string {
  if (foldedAlready.test(path)) return path
  let text = path
  for (let round = 0; round < 2 && text.includes('%'); round++) {
    text = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  const kept: string[] = []
  for (const segment of text.toLowerCase().split(/[/\\]/)) {
    const bare = segment.split(';', 1)[0]!
    if (bare === '' || bare === '.') continue
    if (bare === '..') kept.pop()
    else kept.push(bare)
  }
  return `/${kept.join('/')}`
}
