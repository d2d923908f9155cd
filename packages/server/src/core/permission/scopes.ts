import type { Operation, ProviderEntry, ScopeFact } from '../catalogue/provider.ts'
import { isReading } from './permission.ts'

/**
 * Scopes of the provider that a connection lacks for an operation: all missing ones of `allOf`, and when none of
 * `anyOf` is there, its first, which the catalogue lists as the least.
 */
export function scopesMissing(operation: Operation, granted: readonly string[], entry?: ProviderEntry): string[] {
  const missing = (operation.scopes.allOf ?? []).filter(scope => !granted.includes(scope))
  const anyOf = operation.scopes.anyOf ?? []
  if (anyOf.length > 0 && !anyOf.some(scope => granted.includes(scope))) missing.push(leastOf(anyOf, operation, entry))
  return [...new Set(missing)]
}

/**
 * The least set of scopes to ask for so that these resource types can be read (and changed, with access `write`), the
 * identity scopes first. What the entry declares for a type wins; else the least scope of that type is taken.
 */
export function minimalScopes(
  entry: ProviderEntry,
  resourceTypes: readonly string[],
  access: 'read' | 'write' = 'read',
): string[] {
  if (entry.oauth.scopesFixedAtClient === true) return []
  const wanted = new Set(entry.oauth.identityScopes ?? [])
  for (const type of resourceTypes) {
    const declared = entry.resourceTypes[type]?.scopes
    for (const level of access === 'write' ? (['read', 'write'] as const) : (['read'] as const)) {
      for (const scope of declared?.[level] ?? leastScope(entry, type, level)) wanted.add(scope)
    }
  }
  return withoutNeedless(entry, [...wanted])
}

/** Leaves out every scope whose operations the others open too; the most sensitive go first. */
function withoutNeedless(entry: ProviderEntry, scopes: readonly string[]): string[] {
  const kept = new Set(scopes)
  const identity = entry.oauth.identityScopes ?? []
  const facts = entry.scopes.filter(scope => kept.has(scope.name) && !identity.includes(scope.name))
  for (const { name } of facts.toSorted((a, b) => byReach(b, a))) {
    const opened = entry.operations.filter(
      ({ scopes: { anyOf, allOf } }) => anyOf?.includes(name) || allOf?.includes(name),
    )
    const isNeedless = opened.every(({ scopes: { anyOf, allOf } }) => {
      return !allOf?.includes(name) && anyOf?.some(other => other !== name && kept.has(other))
    })
    if (opened.length > 0 && isNeedless) kept.delete(name)
  }
  return scopes.filter(scope => kept.has(scope))
}

/** The resource types that these scopes open at least one operation of. Operations that need no scope do not count. */
export function resourceTypesOf(entry: ProviderEntry, granted: readonly string[]): string[] {
  const opened = new Set<string>()
  for (const operation of entry.operations) {
    const needs = (operation.scopes.anyOf?.length ?? 0) + (operation.scopes.allOf?.length ?? 0) > 0
    const isOpen = entry.oauth.scopesFixedAtClient === true || (needs && scopesMissing(operation, granted).length === 0)
    if (isOpen) opened.add(operation.resourceType)
  }
  return Object.keys(entry.resourceTypes).filter(type => opened.has(type))
}

function leastScope(entry: ProviderEntry, type: string, level: 'read' | 'write'): string[] {
  const isUsed = entry.operations.some(
    operation => operation.resourceType === type && isReading(operation.action) === (level === 'read'),
  )
  if (!isUsed) return []
  const ofType = entry.scopes.filter(scope => scope.resourceType === type && scope.access === level)
  const [least] = ofType.toSorted(byReach)
  return least === undefined ? [] : [least.name]
}

function leastOf(anyOf: readonly string[], operation: Operation, entry: ProviderEntry | undefined): string {
  const declared = entry?.resourceTypes[operation.resourceType]?.scopes
  for (const scope of [...(declared?.read ?? []), ...(declared?.write ?? [])]) if (anyOf.includes(scope)) return scope
  const facts = (entry?.scopes ?? []).filter(scope => anyOf.includes(scope.name)).toSorted(byReach)
  return facts[0]?.name ?? anyOf[0]!
}

const accessRank = { read: 0, write: 1, admin: 2 } as const
const sensitivityRank = { low: 0, medium: 1, high: 2 } as const

function byReach(a: ScopeFact, b: ScopeFact): number {
  return accessRank[a.access] - accessRank[b.access] || sensitivityRank[a.sensitivity] - sensitivityRank[b.sensitivity]
}
