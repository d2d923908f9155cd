import type { AuditEvent } from '@valetkey/contract/events'
import { type Caller, clientOf } from '../../core/caller.ts'
import { makeId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'

type Said = Omit<AuditEvent, 'id' | 'time'>

/**
 * An event with its id and time, and with who acted: agent and user of an agent's token, the app, the operator. What
 * `said` names wins, for it names the subject of the event.
 */
export function eventOf(parts: Pick<Parts, 'now' | 'random'>, caller: Caller | undefined, said: Said): AuditEvent {
  const now = parts.now()
  return {
    id: makeId('evt', now, parts.random(10)),
    time: new Date(now).toISOString(),
    ...(caller !== undefined && actor(caller)),
    ...said,
  }
}

function actor(caller: Caller): Partial<AuditEvent> {
  return {
    request_id: caller.requestId,
    ...(caller.ip !== undefined && { ip: caller.ip }),
    ...(caller.kind === 'agent' && {
      agent: caller.agent,
      ...(caller.user !== undefined && { user: caller.user }),
      ...(caller.task !== undefined && { task: caller.task }),
    }),
    ...(caller.kind === 'app' && { app: caller.app }),
    actor_chain:
      caller.kind === 'agent' && caller.user !== undefined ? [caller.user, caller.agent] : [clientOf(caller)],
  }
}
