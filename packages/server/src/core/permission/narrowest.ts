import type { OperationTable } from '../catalogue/match-operation.ts'
import type { Grant } from '../grant.ts'
import { covers, coversGraphql } from './permission.ts'

/**
 * The narrowest of grants that each cover a call alone. Narrower is, in this order: limited to single resources, fewer
 * catalogued operations covered, fewer `paths` rules, fewer resources, bound to a task, the earlier end, and last the
 * smaller id, so that the order is total and the same grant pays for the same call however the grants are listed.
 */
export function narrowest(grants: readonly Grant[], table: OperationTable): Grant | undefined {
  if (grants.length <= 1) return grants[0]
  const counts = countsOf(table)
  let best: Measured | undefined
  for (const grant of grants) {
    const next = { grant, breadth: breadthOf(grant, table, counts) }
    if (best === undefined || isNarrower(next, best)) best = next
  }
  return best?.grant
}

interface Measured {
  readonly grant: Grant
  readonly breadth: number
}

// Counted once for a grant and table, because every call with several grants asks.
const breadths = new WeakMap<OperationTable, WeakMap<Grant, number>>()

function countsOf(table: OperationTable): WeakMap<Grant, number> {
  const known = breadths.get(table) ?? new WeakMap<Grant, number>()
  breadths.set(table, known)
  return known
}

/** How many catalogued operations the permissions of a grant cover. */
function breadthOf(grant: Grant, table: OperationTable, counts: WeakMap<Grant, number>): number {
  let count = counts.get(grant)
  if (count === undefined) {
    count = countOf(grant, table)
    counts.set(grant, count)
  }
  return count
}

function countOf(grant: Grant, table: OperationTable): number {
  // Queries read everything that the connection can read.
  let count = grant.permissions.some(permission => coversGraphql(permission, table.provider))
    ? table.operations.size
    : 0
  for (const operation of table.operations.values()) {
    if (grant.permissions.some(permission => covers(permission, operation))) count++
  }
  return count
}

function idsOf({ resources }: Grant): number {
  return resources === undefined ? 0 : Object.values(resources).reduce((sum, ids) => sum + ids.length, 0)
}

function isNarrower(a: Measured, b: Measured): boolean {
  const difference =
    Number(a.grant.resources === undefined) - Number(b.grant.resources === undefined) ||
    a.breadth - b.breadth ||
    a.grant.paths.length - b.grant.paths.length ||
    idsOf(a.grant) - idsOf(b.grant) ||
    Number(a.grant.task === undefined) - Number(b.grant.task === undefined) ||
    a.grant.expiresAt - b.grant.expiresAt
  return difference === 0 ? a.grant.id < b.grant.id : difference < 0
}
