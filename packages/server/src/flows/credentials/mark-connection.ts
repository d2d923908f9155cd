import type { AuditEvent, EventType, Outcome } from '@valetkey/contract/events'
import type { Caller } from '../../core/caller.ts'
import type { Connection } from '../../core/connection.ts'
import type { ConnectionId, TenantId } from '../../core/ids.ts'
import type { TenantRows } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'

/** An event about a connection, with whose it is. Without a caller it happened by itself, in the course of a renewal. */
export function connectionEvent(
  parts: Pick<Parts, 'now' | 'random'>,
  caller: Caller | undefined,
  connection: Pick<Connection, 'id' | 'user' | 'integration' | 'provider'>,
  type: EventType,
  outcome: Outcome,
  facts: NonNullable<AuditEvent['facts']> = {},
): AuditEvent {
  return eventOf(parts, caller, {
    type,
    outcome,
    ...(connection.user !== undefined && { user: connection.user }),
    connection: connection.id,
    integration: connection.integration,
    provider: connection.provider,
    ...(Object.keys(facts).length > 0 && { facts }),
  })
}

/**
 * Within a change: the owner has to connect again. What is not active, revoked for example, stays as it is. Says whether
 * anything changed.
 */
export async function markNeedsReauth(
  parts: Pick<Parts, 'now' | 'random'>,
  rows: TenantRows,
  id: ConnectionId,
  reason: string,
  caller?: Caller,
): Promise<boolean> {
  const current = await rows.connections.get(id)
  if (current?.status !== 'active') return false
  await rows.connections.update({ ...current, status: 'needs_reauth', reason, updatedAt: parts.now() })
  await rows.audit.append([connectionEvent(parts, caller, current, 'connection.needs_reauth', 'error', { reason })])
  return true
}

/** Tells caches of this process to read the connection again. */
export function tellChanged(parts: Pick<Parts, 'revocations'>, tenant: TenantId, connection: ConnectionId): void {
  parts.revocations.tell({ kind: 'changed', tenant, connection })
}
