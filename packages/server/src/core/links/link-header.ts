import type { RewriteLink } from './rewrite-link.ts'

/** A header with its links rewritten. `value` is undefined when nothing is left of it. */
export interface RewrittenHeader {
  readonly value?: string
  /** A link led elsewhere, or could not be read, and was taken out. */
  readonly isShortened: boolean
}

/** One link with its parameters (RFC 8288 section 3): a quoted value may hold commas, semicolons and angle brackets. */
const linkValue = /\s*<([^>]*)>((?:[^,"]|"(?:[^"\\]|\\[\s\S])*")*)(,|$)/y

/**
 * A `Link` header with every link rewritten, each with its parameters as they were. A header that is not of RFC 8288 is
 * taken out whole, because a reader that guesses could find a link in it that we did not.
 */
export function rewriteLinkHeader(value: string, rewrite: RewriteLink): RewrittenHeader {
  const kept: string[] = []
  let isShortened = false
  let at = 0
  while (at < value.length) {
    const empty = /[\s,]*/y
    empty.lastIndex = at
    empty.test(value)
    at = empty.lastIndex
    if (at >= value.length) break
    linkValue.lastIndex = at
    const found = linkValue.exec(value)
    if (found === null) return { isShortened: true }
    const [, reference, parameters] = found
    const link = rewrite(reference!)
    if (link === undefined) isShortened = true
    else kept.push(`<${link}>${parameters!.trimEnd()}`)
    at = linkValue.lastIndex
  }
  return kept.length === 0 ? { isShortened } : { value: kept.join(', '), isShortened }
}

/** `Refresh`, which no RFC describes: seconds, then perhaps a link. */
export function rewriteRefresh(value: string, rewrite: RewriteLink): RewrittenHeader {
  const [, seconds, rest] = /^\s*(\d{1,9})(?:\.\d*)?(?:[;,\s](.*))?$/s.exec(value) ?? []
  if (seconds === undefined) return { isShortened: true }
  const reference = (rest ?? '')
    .trim()
    .replace(/^[;,]/, '')
    .trimStart()
    .replace(/^url\s*=/i, '')
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2')
  if (reference === '') return { value: seconds, isShortened: false }
  const link = rewrite(reference)
  return link === undefined ? { isShortened: true } : { value: `${seconds}; url=${link}`, isShortened: false }
}
