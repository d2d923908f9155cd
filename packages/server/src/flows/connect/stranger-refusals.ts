import type { TenantId } from '../../core/ids.ts'
import type { Store } from '../../engines/store/store.ts'

/** Refused callbacks that belong to no flow of ours, in a minute, that go on the record. */
export const mostOnRecord = 60
const windowMs = 60_000
/** Tenants whose refusals are counted. */
export const mostTenants = 10_000

interface Window {
  since: number
  recorded: number
  /** Left out since the last one that was recorded. */
  leftOut: number
}

const windows = new WeakMap<Store, Map<TenantId, Window>>()

/**
 * Anybody may call a callback with anything. If each such call made a row, a stranger could fill the disk and bury what
 * matters; so beyond a number in a minute they are counted, and the next one on the record says how many were left out.
 * Undefined: leave this one out.
 */
export function countStranger(store: Store, tenant: TenantId, now: number): { readonly leftOut: number } | undefined {
  const mine = windows.get(store) ?? new Map<TenantId, Window>()
  windows.set(store, mine)
  const window = mine.get(tenant) ?? { since: now, recorded: 0, leftOut: 0 }
  if (mine.size >= mostTenants && !mine.has(tenant)) mine.delete(mine.keys().next().value!)
  mine.set(tenant, window)
  if (now < window.since || now - window.since >= windowMs) {
    window.since = now
    window.recorded = 0
  }
  if (window.recorded >= mostOnRecord) {
    window.leftOut++
    return undefined
  }
  window.recorded++
  const { leftOut } = window
  window.leftOut = 0
  return { leftOut }
}
