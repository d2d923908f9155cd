import type { FieldFault } from '@valetkey/contract/errors'
import type { ProviderEntry } from '../catalogue/provider.ts'
import type { GrantedResources } from '../grant.ts'

const mostIds = 200
const longestId = 512

/** What is wrong with the `resources` of a grant on a connection of that entry, each with its pointer. */
export function checkResources(resources: GrantedResources, entry: ProviderEntry): FieldFault[] {
  const faults: FieldFault[] = []
  const types = Object.entries(resources)
  const located = locatedTypes(entry)
  if (types.length === 0) {
    faults.push({ pointer: '/resources', detail: 'Name at least one type with its ids, or leave "resources" out.' })
  }
  if (types.reduce((sum, [, ids]) => sum + ids.length, 0) > mostIds) {
    faults.push({ pointer: '/resources', detail: `A grant lists ${mostIds} ids at most.` })
  }
  for (const [type, ids] of types) {
    const pointer = `/resources/${type.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!located.includes(type)) {
      const which = located.length === 0 ? 'none' : located.join(', ')
      const what = Object.hasOwn(entry.resourceTypes, type)
        ? `No operation of ${entry.name} says where the id of one of its ${type} stands`
        : `${entry.name} has no resource type "${type.slice(0, 64)}"`
      faults.push({ pointer, detail: `${what}. A grant can be narrowed to single: ${which}.` })
    }
    if (ids.length === 0) faults.push({ pointer, detail: 'Name at least one id, or leave the type out.' })
    if (new Set(ids).size !== ids.length) faults.push({ pointer, detail: 'An id stands there twice.' })
    for (const [index, id] of ids.entries()) {
      if (id.length > longestId || !/^[^\u0000-\u001f\u007f]+$/.test(id)) {
        faults.push({
          pointer: `${pointer}/${index}`,
          detail: `An id has 1 to ${longestId} characters, without control characters.`,
        })
      }
    }
  }
  return faults
}

/** The types of which some operation declares where their ids stand. */
function locatedTypes(entry: ProviderEntry): readonly string[] {
  const types = entry.operations.flatMap(operation => (operation.resources ?? []).map(location => location.type))
  return [...new Set(types)].toSorted()
}
