import { type RewrittenHeader, rewriteLinkHeader, rewriteRefresh } from './link-header.ts'
import type { RewriteLink } from './rewrite-link.ts'

/** Headers that a client follows, or may (RFC 9110 sections 8.7 and 10.2.2, RFC 8288). */
const readers: ReadonlyMap<string, (value: string, rewrite: RewriteLink) => RewrittenHeader> = new Map([
  ['content-location', rewriteReference],
  ['link', rewriteLinkHeader],
  ['location', rewriteReference],
  ['refresh', rewriteRefresh],
])

// Every answer passes here, and hardly a header is one of these.
const lengths = new Set([...readers.keys()].map(name => name.length))
const absolute = /^https?:\/\//i

/**
 * The headers of an answer with every link to the provider's own hosts leading through the proxy, so that an SDK which
 * follows one never hands the agent's token to the provider (P7). In the headers above a link to anywhere else is taken
 * out, and `valetkey-link-removed` names the header; any other header that is a URL (`Operation-Location`, the upload
 * URLs of some vendors) is rewritten when it leads to the provider, and else is a word like any other. `rewriter` is
 * asked for at the first link, because most answers have none.
 */
export function rewriteLinkHeaders(headers: readonly string[], rewriter: () => RewriteLink): string[] {
  const kept: string[] = []
  const shortened = new Set<string>()
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    const value = headers[i + 1]!
    const read = lengths.has(name.length) ? readers.get(name.toLowerCase()) : undefined
    if (read !== undefined) {
      const rewritten = read(inText(value), rewriter())
      if (rewritten.isShortened) shortened.add(name.toLowerCase())
      if (rewritten.value !== undefined) kept.push(name, Buffer.from(rewritten.value, 'utf8').toString('latin1'))
    } else if ((value.charCodeAt(0) | 0x20) === 0x68 && absolute.test(value)) {
      kept.push(name, rewriter()(inText(value)) ?? value)
    } else {
      kept.push(name, value)
    }
  }
  if (shortened.size > 0) kept.push('valetkey-link-removed', [...shortened].join(', '))
  return kept
}

function rewriteReference(value: string, rewrite: RewriteLink): RewrittenHeader {
  const link = rewrite(value)
  return link === undefined ? { isShortened: true } : { value: link, isShortened: false }
}

/** Header bytes are latin1 here; who writes more than ASCII into a URL means UTF-8. */
function inText(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8')
}
