import { Attempt, type Head } from './attempt.ts'
import type { Broker } from './broker.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { CallCut } from './call-cut.ts'
import type { CallPlace } from './call-room.ts'
import type { LiveSecrets } from './live-secrets.ts'
import type { OpenCall } from './open-call.ts'
import type { Outgoing } from './outgoing.ts'
import type { Upload } from './upload.ts'

export type BrokerContext = BrokerParts & { readonly broker: Broker }

/** An allowed call with what goes up. */
export interface Carriage {
  readonly open: OpenCall
  readonly outgoing: Outgoing
  readonly upload: Upload
  readonly cut: CallCut
  /** Where what is held of its bodies counts. */
  readonly place: CallPlace
}

/** How far it has come. */
export interface Progress {
  attempt?: Attempt
  live?: LiveSecrets
  head?: Head
  isReplayed: boolean
}

/** Never resolves; rejects as `work` does. */
export function failureIn(work: Promise<unknown>): Promise<never> {
  return work.then(() => new Promise<never>(() => {}))
}

/** Sends the request with the credential at hand and waits for the head of its answer, or for the record to fail. */
export async function sendCall(
  parts: BrokerContext,
  { open, outgoing, cut }: Carriage,
  recorded: Promise<void>,
  progress: Progress,
): Promise<void> {
  // Between the last wait and this line a revocation may have come: nothing is sent any more.
  if (cut.done !== undefined) throw cut.done
  const { id, tenant } = open.facts.connection
  const request = { ...outgoing.with(progress.live!.credential.accessToken), party: id }
  const attempt = new Attempt(parts.egress, tenant, request)
  progress.attempt = attempt
  progress.head = await cut.race(Promise.race([attempt.head, failureIn(recorded)]))
}
