export type PathCheck =
  /** `path` byte for byte as it came; `segments` decoded once, the empty one after a trailing slash left out. */
  | { readonly ok: true; readonly path: string; readonly segments: readonly string[] }
  | { readonly ok: false; readonly why: string }

export interface PathRules {
  /** The operation declares that an encoded slash belongs to one of its segments. */
  readonly mayEncodeSlash?: boolean
}

const refused = (why: string): PathCheck => ({ ok: false, why })

/**
 * Whether a path (without its query) may go up as it is. A path is taken only if every reader of it, however often it
 * decodes and whatever it tidies, sees the same segments as we do: no dot segment, no empty segment, no backslash, no
 * control byte, no encoding within an encoding, no malformed UTF-8 (row 22).
 *
 * One trailing slash is taken, because vendors serve resources under such paths; it is the only empty segment that is.
 */
export function checkPath(rawPath: string, rules: PathRules = {}): PathCheck {
  // Nothing to decode, no parameter, no segment that begins with a dot: there is one reading.
  if (plainPath.test(rawPath)) {
    const segments = rawPath.slice(1).split('/')
    if (segments.at(-1) === '') segments.pop()
    return { ok: true, path: rawPath, segments }
  }
  if (!rawPath.startsWith('/')) return refused('The path must begin with one slash and name no host.')
  if (rawPath.includes('?') || rawPath.includes('#')) return refused('The path must hold neither "?" nor "#".')
  if (rawPath.includes('\\')) return refused('The path must hold no backslash.')
  // pchar of RFC 3986 section 3.3: what is outside it, readers tidy in ways of their own.
  if (!/^[A-Za-z0-9._~!$&'()*+,;=:@/%-]*$/.test(rawPath)) {
    return refused('The path must be ASCII; percent-encode every other character as UTF-8.')
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(rawPath)) return refused('A "%" in the path must be followed by two hex digits.')
  const raw = rawPath.slice(1).split('/')
  if (raw.at(-1) === '') raw.pop()
  const segments: string[] = []
  for (const part of raw) {
    if (part === '') return refused('The path must hold no empty segment ("//").')
    const segment = decodeSegment(part)
    if (segment === undefined) return refused('The percent-encoding in the path is not well-formed UTF-8.')
    const fault = faultOf(segment, rules)
    if (fault !== undefined) return refused(fault)
    segments.push(segment)
  }
  return { ok: true, path: rawPath, segments }
}

const plainPath = /^(?:\/[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]*)+\/?$/

function decodeSegment(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function faultOf(segment: string, rules: PathRules): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(segment)) return 'The path must hold no control character.'
  if (/%[0-9A-Fa-f]{2}/.test(segment)) return 'The path must not be percent-encoded twice.'
  if (segment.includes('\\')) return 'The path must hold no backslash, encoded or not.'
  if (segment.includes('/') && rules.mayEncodeSlash !== true) return 'The path must hold no encoded slash ("%2f").'
  if (hasDotSegment(segment)) return 'The path must hold no "." or ".." segment, encoded or not.'
  return undefined
}

/** Also as readers see it that drop parameters or trailing blanks, or that fold full-width letters. */
function hasDotSegment(segment: string): boolean {
  return [segment, segment.normalize('NFKC')].some(form =>
    form.split(/[/\\]/).some(piece => /^\.{1,2}$/.test(piece.replace(/;.*$/s, '').trim())),
  )
}
