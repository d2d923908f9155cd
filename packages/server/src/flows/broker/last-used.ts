import type { ConnectionId, TenantId } from '../../core/ids.ts'
import type { BrokerParts } from './broker-parts.ts'

/** When connections were last used: gathered and written now and then, for nobody decides by it. */
export interface LastUsed {
  note(tenant: TenantId, connection: ConnectionId, at: number): void
  flush(): Promise<void>
  close(): void
}

const flushMs = 1_000

export function createLastUsed(parts: Pick<BrokerParts, 'store' | 'log'>): LastUsed {
  let noted = new Map<TenantId, Map<ConnectionId, number>>()
  let timer: NodeJS.Timeout | undefined
  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const due = noted
    noted = new Map()
    for (const [tenant, times] of due) {
      try {
        await parts.store.change(tenant, async rows => {
          for (const [id, at] of times) await rows.connections.touch(id, at)
        })
      } catch (error) {
        parts.log.warn('The last use of connections could not be noted', { tenant, error })
      }
    }
  }
  return {
    note(tenant, connection, at) {
      const times = noted.get(tenant) ?? new Map<ConnectionId, number>()
      noted.set(tenant, times)
      times.set(connection, at)
      timer ??= setTimeout(() => void flush(), flushMs).unref()
    },
    flush,
    close() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
