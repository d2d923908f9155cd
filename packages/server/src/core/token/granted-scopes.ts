import type { ProviderEntry } from '../catalogue/provider.ts'

export interface ScopeComparison {
  readonly granted: readonly string[]
  /** Asked for and not given. More than was asked for is no fault: providers add what they imply. */
  readonly missing: readonly string[]
}

/**
 * Granted against requested (rows 70, 73). A provider that does not say granted what was asked (RFC 6749 section 5.1),
 * except where a person may untick single scopes (quirk `scope-partial-grant`): there silence proves nothing, and
 * nothing is taken as granted.
 */
export function grantedScopes(comparison: {
  readonly answered: readonly string[] | undefined
  readonly requested: readonly string[]
  readonly entry: ProviderEntry
}): ScopeComparison {
  const { answered, requested, entry } = comparison
  const mayBeLess = entry.quirks.includes('scope-partial-grant')
  const granted = answered ?? (mayBeLess ? [] : requested)
  const given = new Set(granted)
  return { granted: [...given], missing: [...new Set(requested)].filter(scope => !given.has(scope)) }
}
