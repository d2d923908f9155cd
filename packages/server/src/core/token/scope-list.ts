import type { ProviderEntry } from '../catalogue/provider.ts'

/** scope-token of RFC 6749 section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/
const maxScopes = 1_000

/**
 * The scopes of an answer as a list, whether the provider wrote a text with spaces, a text with commas or an array
 * (row 73). Undefined: it did not say. A comma separates only where the entry says so, since RFC 6749 allows it in a name.
 */
export function scopeList(value: unknown, entry: ProviderEntry): readonly string[] | undefined | 'malformed' {
  if (value === undefined || value === null) return undefined
  const hasCommas = entry.oauth.scopeSeparator === ',' || entry.quirks.includes('scope-comma')
  const separator = hasCommas ? /[\s,]+/ : /\s+/
  const parts = Array.isArray(value) ? value : [value]
  const names = new Set<string>()
  for (const part of parts) {
    if (typeof part !== 'string') return 'malformed'
    for (const name of part.split(separator)) {
      if (name === '') continue
      if (!scopeToken.test(name)) return 'malformed'
      names.add(name)
    }
  }
  return names.size <= maxScopes ? [...names] : 'malformed'
}
