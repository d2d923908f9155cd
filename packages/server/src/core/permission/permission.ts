import type { FieldFault } from '@valetkey/contract/errors'
import type { Action } from '@valetkey/contract/events'
import type { Operation, ProviderEntry } from '../catalogue/provider.ts'

/**
 * What a grant or a ceiling permits: `provider:resource_type:action`, or one operation by its id. `*` as action means
 * list, fetch and search and nothing else; `*` as resource type means catalogued types only. `share` and `credential`
 * are granted as operation ids alone, because they make an agent's reach wider or permanent.
 */
export type Permission =
  | { readonly kind: 'operation'; readonly provider: string; readonly operation: string }
  | {
      readonly kind: 'rule'
      readonly provider: string
      /** A type of the entry, `*` for all of these, or `any` for what is not catalogued. */
      readonly resourceType: string
      readonly action: Action | '*'
    }

export const actions = [
  'list',
  'fetch',
  'search',
  'write',
  'delete',
  'share',
  'credential',
  'admin',
] as const satisfies readonly Action[]

/** Resource types that no `*` covers: they are always written out. */
const writtenOut: readonly string[] = ['any', 'graphql']

/** The three actions that `*` stands for: they change nothing. */
export function isReading(action: Action): boolean {
  return action === 'list' || action === 'fetch' || action === 'search'
}

/** Reads the form of a permission alone; whether it names things that exist is asked of `checkPermission`. */
export function readPermission(text: string): Permission | undefined {
  const parts = text.split(':')
  if (parts.length === 1) {
    const dot = text.indexOf('.')
    if (dot <= 0 || dot === text.length - 1) return undefined
    return { kind: 'operation', provider: text.slice(0, dot), operation: text }
  }
  const [provider, resourceType, action] = parts
  if (parts.length !== 3 || !provider || !resourceType || !action) return undefined
  if (action !== '*' && !(actions as readonly string[]).includes(action)) return undefined
  return { kind: 'rule', provider, resourceType, action: action as Action | '*' }
}

/** What is wrong with a permission, with what would be valid; undefined when nothing is. */
export function checkPermission(
  text: string,
  entryOf: (provider: string) => ProviderEntry | undefined,
): string | undefined {
  const parts = text.split(':')
  if (parts.length === 1 ? !text.includes('.') : parts.length !== 3) {
    return `"${text}" is no permission. Write provider:resource_type:action, or the id of one operation.`
  }
  const provider = parts.length === 1 ? text.split('.', 1)[0]! : parts[0]!
  const entry = entryOf(provider)
  if (entry === undefined)
    return `"${text}" begins with no known provider. Write the provider's id, as in GET /v1/providers.`
  if (parts.length === 1) {
    if (text === `${provider}.unlisted`) {
      return `"${text}" cannot be granted. Calls that are not catalogued are opened by "paths".`
    }
    if (entry.operations.some(operation => operation.id === text)) return undefined
    return `${entry.name} has no operation "${text}". Write one of GET /v1/providers/${provider}, or provider:resource_type:action.`
  }
  const [, resourceType, action] = parts as [string, string, string]
  const types = Object.keys(entry.resourceTypes)
  if (resourceType === 'graphql' && entry.api.graphql !== undefined) {
    return action === 'fetch' || action === '*'
      ? undefined
      : `"${text}" covers nothing: GraphQL queries are ${provider}:graphql:fetch, and each mutation has the permission of its operation.`
  }
  if (resourceType !== '*' && resourceType !== 'any' && !types.includes(resourceType)) {
    return `${entry.name} has no resource type "${resourceType}". Write one of: ${[...types, 'any', '*'].join(', ')}.`
  }
  if (action !== '*' && !(actions as readonly string[]).includes(action)) {
    return `"${action}" is no action. Write one of: list, fetch, search, write, delete, admin, or * for list, fetch and search.`
  }
  if (action === 'share' || action === 'credential') {
    const ids = entry.operations
      .filter(operation => operation.action === action)
      .filter(operation => resourceType === '*' || operation.resourceType === resourceType)
      .map(operation => operation.id)
    const which = ids.length === 0 ? 'None of this provider is catalogued' : `Write one of: ${ids.join(', ')}`
    return `Operations of the action "${action}" are granted only by their ids. ${which}.`
  }
  return undefined
}

/**
 * Checks a list of permissions as it came in a body at `pointer`. With one entry, for a grant, all must be of it; with a
 * look-up, for an agent's ceiling, of any known provider.
 */
export function checkPermissions(
  texts: readonly unknown[],
  entries: ProviderEntry | ((provider: string) => ProviderEntry | undefined),
  pointer = '/permissions',
): FieldFault[] {
  const faults: FieldFault[] = []
  for (const [index, text] of texts.entries()) {
    const fault =
      typeof text === 'string' ? faultOf(text, entries) : 'A permission is a text, provider:resource_type:action.'
    if (fault !== undefined) faults.push({ pointer: `${pointer}/${index}`, detail: fault })
  }
  return faults
}

function faultOf(
  text: string,
  entries: ProviderEntry | ((provider: string) => ProviderEntry | undefined),
): string | undefined {
  if (typeof entries === 'function') return checkPermission(text, entries)
  const provider = readPermission(text)?.provider
  if (provider !== undefined && provider !== entries.id) {
    return `"${text}" is of another provider; this connection is of ${entries.id}.`
  }
  return checkPermission(text, id => (id === entries.id ? entries : undefined))
}

/** Whether one permission covers one catalogued operation. Malformed permissions cover nothing. */
export function covers(text: string, operation: Operation): boolean {
  // All grants are asked about one operation before the next one comes.
  const known = operation === lastOperation ? lastVerdicts : verdictsOn(operation)
  let verdict = known.get(text)
  if (verdict === undefined) {
    verdict = judged(text, operation)
    if (known.size >= mostVerdicts) known.clear()
    known.set(text, verdict)
  }
  return verdict
}

// The answer depends on the two alone, and an agent with a hundred grants asks a hundred times for one call.
const verdicts = new WeakMap<Operation, Map<string, boolean>>()
const mostVerdicts = 500
let lastOperation: Operation | undefined
let lastVerdicts = new Map<string, boolean>()

function verdictsOn(operation: Operation): Map<string, boolean> {
  const known = verdicts.get(operation) ?? new Map<string, boolean>()
  verdicts.set(operation, known)
  lastOperation = operation
  lastVerdicts = known
  return known
}

function judged(text: string, operation: Operation): boolean {
  const permission = readPermission(text)
  if (permission === undefined) return false
  if (permission.kind === 'operation') return permission.operation === operation.id
  if (permission.provider !== operation.id.split('.', 1)[0]) return false
  if (operation.action === 'share' || operation.action === 'credential') return false
  return (
    typeCovers(permission.resourceType, operation.resourceType) && actionCovers(permission.action, operation.action)
  )
}

/** Whether one permission speaks of calls that are not catalogued, with that action: `provider:any:action`. */
export function coversUnlisted(text: string, provider: string, action: Action): boolean {
  const permission = readPermission(text)
  if (permission?.kind !== 'rule' || permission.provider !== provider || permission.resourceType !== 'any') return false
  return actionCovers(permission.action, action)
}

/** Whether one permission covers GraphQL queries: everything that the connection can read. */
export function coversGraphql(text: string, provider: string): boolean {
  const permission = readPermission(text)
  if (permission?.kind !== 'rule' || permission.provider !== provider) return false
  return permission.resourceType === 'graphql' && actionCovers(permission.action, 'fetch')
}

function typeCovers(permitted: string, asked: string): boolean {
  return permitted === '*' ? !writtenOut.includes(asked) : permitted === asked
}

function actionCovers(permitted: Action | '*', asked: Action): boolean {
  return permitted === '*' ? isReading(asked) : permitted === asked
}
