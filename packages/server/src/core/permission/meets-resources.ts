import type { GrantedResources } from '../grant.ts'
import { comparableId, type FoundResources, type NamedResource } from './find-resources.ts'

/**
 * Whether a call stays within what a narrowed grant lists: it names a resource of a listed type, every one that it has to
 * name, and none of these types that is not listed. What it names of other types is judged by its permission alone.
 */
export function meetsResources(granted: GrantedResources, found: FoundResources): boolean {
  if (found.kind !== 'found') return false
  const concerned = found.resources.filter(({ type }) => Object.hasOwn(granted, type))
  if (concerned.length === 0 || found.missing.some(type => Object.hasOwn(granted, type))) return false
  return concerned.every(resource => isListed(granted, resource))
}

function isListed(granted: GrantedResources, { type, id, isUuid }: NamedResource): boolean {
  const listed = granted[type]!
  return listed.includes(id) || (isUuid === true && listed.some(one => comparableId(one) === id))
}

/** Why a narrowed grant does not pay for a call, and what would mend it. */
export function whyNotMet(
  granted: readonly GrantedResources[],
  found: FoundResources,
  operation: string,
): { readonly detail: string; readonly fix: string } {
  const types = [...new Set(granted.flatMap(Object.keys))].join(', ')
  switch (found.kind) {
    case 'unread':
    case 'ambiguous':
      return {
        detail:
          `The grant is limited to single resources, and which ones this call names is not clear. ${found.kind === 'unread' ? '' : found.why}`.trimEnd(),
        fix: 'Name each resource once, spelt as the provider documents it, and leave out whatever repeats or changes it.',
      }
    case 'undeclared':
      return {
        detail: `The grant is limited to single resources (${types}), and ${operation} declares no place that names one.`,
        fix: 'Use an operation that names its resource, or ask the owner for a grant without "resources".',
      }
    case 'found': {
      const beyond = found.resources.filter(one =>
        granted.some(list => Object.hasOwn(list, one.type) && !isListed(list, one)),
      )
      if (beyond.length > 0) {
        const named = beyond.slice(0, 3).map(({ type, id }) => `${type} ${id.slice(0, 64)}`)
        return {
          detail: `The grant does not list ${named.join(', ')}.`,
          fix: 'Ask the owner for a grant whose "resources" list it.',
        }
      }
      return {
        detail: `The grant is limited to single resources (${types}), and this call names none of them.`,
        fix: 'Name one of the resources that the grant lists.',
      }
    }
  }
}
