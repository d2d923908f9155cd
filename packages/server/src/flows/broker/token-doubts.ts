import type { ConnectionId } from '../../core/ids.ts'
import type { BrokerParts } from './broker-parts.ts'

/**
 * Which credentials a provider has refused although they had just been renewed. For such a one a further 401 is no
 * reason to renew again: an endpoint that answers 401 for ever would else cost a refresh at every call (row 63).
 */
export interface TokenDoubts {
  isDoubted(connection: ConnectionId, generation: number): boolean
  doubt(connection: ConnectionId, generation: number): void
}

// Short, for while it lasts a token that really died is not renewed either; long enough that an endpoint which always
// answers 401 costs a few renewals a minute at most.
const lastsMs = 10_000
/** Doubted credentials that are remembered. */
export const mostEntries = 5_000

export function createTokenDoubts(parts: Pick<BrokerParts, 'monotonic'>): TokenDoubts {
  const doubted = new Map<ConnectionId, { readonly generation: number; readonly since: number }>()
  return {
    isDoubted(connection, generation) {
      const found = doubted.get(connection)
      if (found === undefined) return false
      if (found.generation === generation && parts.monotonic() - found.since < lastsMs) return true
      doubted.delete(connection)
      return false
    },
    doubt(connection, generation) {
      doubted.delete(connection)
      if (doubted.size >= mostEntries) doubted.delete(doubted.keys().next().value!)
      doubted.set(connection, { generation, since: parts.monotonic() })
    },
  }
}
