import { endOf } from '../../core/grant.ts'
import type { AgentId, ConnectionId, TenantId } from '../../core/ids.ts'
import { isTaskLive } from '../../core/task.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { Stream, StreamRegistry } from './stream-registry.ts'

export interface StreamWatch {
  /** One look at the store for all streams in progress. */
  look(): Promise<void>
  stop(): void
}

/** With the time of a look and of a cut, what ends elsewhere is cut here within a second (P4). */
const lookMs = 400

/**
 * Cuts streams of this process whose grant, task, agent or connection was ended by another process on the same
 * database. What ends in this process is heard of at once, and the embedded database has no other.
 */
export function watchStreams(parts: BrokerParts, registry: StreamRegistry): StreamWatch {
  let isLooking = false
  const look = async (): Promise<void> => {
    const byTenant = Map.groupBy(registry.all(), stream => stream.tenant as TenantId)
    for (const [tenant, streams] of byTenant) {
      const ended = await parts.store.asTenant(tenant, rows => endedAmong(rows, streams, parts.now()))
      for (const [stream, why] of ended) registry.cut(stream, why)
    }
  }
  const tick = async (): Promise<void> => {
    if (isLooking || registry.size === 0) return
    isLooking = true
    try {
      await look()
    } catch (error) {
      parts.log.warn('Streams in progress could not be compared with the store; the next look tries again', { error })
    } finally {
      isLooking = false
    }
  }
  const timer = parts.store.kind === 'postgres' ? setInterval(() => void tick(), lookMs).unref() : undefined
  return { look, stop: () => clearInterval(timer) }
}

async function endedAmong(
  rows: TenantRows,
  streams: readonly Stream[],
  now: number,
): Promise<ReadonlyMap<Stream, string>> {
  const ended = new Map<Stream, string>()
  const find = remembering()
  for (const stream of streams) {
    const grant = await find(stream.grant.id, () => rows.grants.get(stream.grant.id))
    const connection = await find(stream.connection, () => rows.connections.get(stream.connection as ConnectionId))
    const agent = await find(stream.agent, () => rows.clients.get(stream.agent as AgentId))
    const taskId = stream.task?.id
    const task = taskId === undefined ? undefined : await find(taskId, () => rows.tasks.get(taskId))
    if (agent === undefined || agent.disabledAt !== undefined) ended.set(stream, 'agent_ended')
    else if (connection === undefined || connection.status !== 'active') ended.set(stream, 'connection_ended')
    else if (taskId !== undefined && (task === undefined || !isTaskLive(task, now))) ended.set(stream, 'task_ended')
    // Budget and idleness are no ends of a call under way.
    else if (grant === undefined || (endOf(grant, now) !== undefined && grant.endedAt !== undefined)) {
      ended.set(stream, 'grant_ended')
    }
  }
  return ended
}

/** Asks for each id once. */
function remembering(): <T>(id: string, read: () => Promise<T>) => Promise<T> {
  const known = new Map<string, Promise<unknown>>()
  return <T>(id: string, read: () => Promise<T>) => {
    const found = (known.get(id) as Promise<T> | undefined) ?? read()
    known.set(id, found)
    return found
  }
}
