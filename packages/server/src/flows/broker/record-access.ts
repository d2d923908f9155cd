import type { AgentCaller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import type { RecordEntry } from '../../engines/store/store.ts'
import { type AccessSubject, veiledPath } from './access-event.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { ProxyCall } from './proxy-call.ts'

/** A path that no pattern stands for is veiled. */
export async function onRecord(
  parts: BrokerParts,
  caller: AgentCaller,
  call: ProxyCall,
  subject: AccessSubject,
): Promise<AccessSubject> {
  if (subject.pathTemplate !== '') return subject
  return { ...subject, pathTemplate: await veiledPath(parts, caller.tenant, call.path) }
}

/** Puts an event on the record, or throws `unavailable`: what cannot be recorded is not done (P2). */
export async function recordOrRefuse(
  parts: BrokerParts,
  caller: AgentCaller,
  entry: RecordEntry,
): Promise<'recorded' | 'exhausted'> {
  try {
    return await parts.store.record(caller.tenant, entry)
  } catch (cause) {
    throw new Failure(
      'unavailable',
      'The call cannot be put on the record at the moment, so it is not made. Try again.',
      {
        cause,
        retryAfterSeconds: 2,
      },
    )
  }
}
