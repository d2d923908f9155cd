/** Words of the provider about caching and about pages, which would be taken for ours: ours take their place. */
const replaced = new Set([
  'cache-control',
  'content-security-policy',
  'content-security-policy-report-only',
  'surrogate-control',
  'x-content-type-options',
])

/** A directive with the commas of its quoted argument (RFC 9111 section 5.2). */
const directive = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g

/**
 * Headers of an answer (`answerHeaders`) with what keeps it from others: it goes to one agent of one person, so no shared
 * cache may keep it, whatever the provider allows for its own (RFC 9111 section 3.5); and it comes from our origin, so no
 * browser may take it for a page of ours (row 105). A length stands only where a body may follow (RFC 9110 section 8.6).
 */
export function shieldedHeaders(headers: readonly string[], status: number): string[] {
  const kept: string[] = []
  const caching: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (name === 'cache-control') caching.push(headers[i + 1]!)
    if (replaced.has(name) || name.endsWith('cdn-cache-control') || (name === 'content-length' && status === 204))
      continue
    kept.push(headers[i]!, headers[i + 1]!)
  }
  if (caching.length === 0) kept.push('cache-control', 'private')
  else kept.push('cache-control', narrowed(caching))
  kept.push('x-content-type-options', 'nosniff', 'content-security-policy', "sandbox; default-src 'none'")
  return kept
}

function narrowed(caching: readonly string[]): string {
  const directives = (caching.join(',').match(directive) ?? [])
    .map(text => text.trim())
    .filter(text => text !== '' && !/^(?:public|private|s-maxage)\b/i.test(text))
  return [...directives, 'private'].join(', ')
}
