import type { Grant } from '../../core/grant.ts'

/** Tells the first call under a grant from all later ones, also while the row that was read still says none. */
export interface FirstUses {
  isFirst(grant: Pick<Grant, 'id' | 'calls' | 'lastUsedAt'>): boolean
}

/** Grants whose first use is remembered. */
export const mostGrants = 10_000

export function createFirstUses(): FirstUses {
  const used = new Set<string>()
  return {
    isFirst({ id, calls, lastUsedAt }) {
      if (calls > 0 || lastUsedAt !== undefined || used.has(id)) return false
      if (used.size >= mostGrants) used.delete(used.values().next().value!)
      used.add(id)
      return true
    },
  }
}
