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
  const event: Mutable<AuditEvent> = { id: makeId('evt', now, parts.random(10)), time: timeOf(now), ...said }
  if (caller !== undefined) addActor(event, caller)
  return event
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

let lastTime = Number.NaN
let lastText = ''

function timeOf(now: number): string {
  if (now !== lastTime) {
    lastText = new Date(now).toISOString()
    lastTime = now
  }
  return lastText
}

/** In place, for every call makes two events. */
function addActor(event: Mutable<AuditEvent>, caller: Caller): void {
  event.request_id ??= caller.requestId
  if (caller.ip !== undefined) event.ip ??= caller.ip
  if (caller.kind === 'app') event.app ??= caller.app
  if (caller.kind === 'agent') {
    event.agent ??= caller.agent
    if (caller.user !== undefined) event.user ??= caller.user
    if (caller.task !== undefined) event.task ??= caller.task
  }
  event.actor_chain ??=
    caller.kind === 'agent' && caller.user !== undefined ? [caller.user, caller.agent] : [clientOf(caller)]
}
