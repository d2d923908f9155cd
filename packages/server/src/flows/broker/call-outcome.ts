import { Failure } from '../../core/failure.ts'
import { EgressFailure } from '../../engines/egress/egress.ts'
import type { CallCut } from './call-cut.ts'
import type { Relayed } from './relay-answer.ts'
import type { Progress } from './send-call.ts'

/** What came of a call, for the record: `unknown` where the provider may have acted and nobody heard how. */
export function outcomeOf(
  progress: Progress,
  relayed: Relayed | undefined,
  failed: unknown,
): 'ok' | 'error' | 'unknown' {
  if (relayed?.end === 'whole' && failed === undefined) return progress.head!.status < 400 ? 'ok' : 'error'
  if (relayed !== undefined) return progress.head!.status < 400 ? 'unknown' : 'error'
  // A request that may have reached the provider and got no answer: nobody knows what it did.
  const { attempt, head } = progress
  return attempt !== undefined && head === undefined && attempt.failure?.sent !== false ? 'unknown' : 'error'
}

/** Why it ended as it did, in words of ours. */
export function endFacts(
  relayed: Relayed | undefined,
  failed: unknown,
  cut: CallCut,
): Readonly<Record<string, string>> {
  const failure = relayed?.failure ?? failed
  return {
    ...(cut.done !== undefined && { cut: cut.done.why }),
    ...(failure instanceof EgressFailure && failure.kind !== 'aborted' && { failure: failure.kind }),
    ...(failure instanceof Failure && { failure: failure.code }),
  }
}
