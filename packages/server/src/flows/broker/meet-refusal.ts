import { Failure } from '../../core/failure.ts'
import { checkConnection } from '../credentials/check-connection.ts'
import { markNeedsReauth, tellChanged } from '../credentials/mark-connection.ts'
import { renewToken } from '../credentials/renew-token.ts'
import { secretsOf } from './call-secrets.ts'
import type { OpenCall } from './open-call.ts'
import { type BrokerContext, type Carriage, type Progress, sendCall } from './send-call.ts'
import { refusalOf } from './unauthorized-answer.ts'

/**
 * The provider does not take the token any more: one renewal for all callers, one more try with the new token if the
 * body can be sent again. What it answers then passes as it is, and the connection is looked at (row 63).
 */
export async function meetRefusal(
  parts: BrokerContext,
  carriage: Carriage,
  refusal: 'status' | 'declared',
  recorded: Promise<void>,
  progress: Progress,
): Promise<void> {
  const { cut, upload, open } = carriage
  const { facts } = open
  const { broker } = parts
  const { id } = facts.connection
  const { credential } = progress.live!
  if (broker.doubts.isDoubted(id, credential.generation)) return
  const renewal = await cut.race(renewToken(parts, facts, { generation: credential.generation, isDead: true }))
  switch (renewal.kind) {
    case 'failed':
      return
    case 'needs_person':
      broker.doubts.doubt(id, credential.generation)
      return lookAtRefused(parts, open, refusal === 'declared' || open.decision.operation !== undefined)
    case 'renewed': {
      progress.attempt!.abort('the token was renewed')
      if (!upload.isReplayable) {
        throw new Failure('retry_body', 'The token was renewed, but the body is too large to be kept. Send it again.', {
          retryAfterSeconds: 1,
        })
      }
      progress.live = await broker.secrets.around(facts, renewal.credential, secretsOf(credential))
      progress.isReplayed = true
      delete progress.head
      await sendCall(parts, carriage, recorded, progress)
      const again = await cut.race(refusalOf(progress.attempt!, progress.head!, facts.provider.entry))
      if (again === undefined) return
      broker.doubts.doubt(id, renewal.credential.generation)
      return lookAtRefused(parts, open, again === 'declared')
    }
  }
}

/**
 * The provider refuses a token that nobody can renew, or that was renewed just now. Its account endpoint is asked, after
 * the agent has its answer; where the entry knows none, the refusal itself counts if it is certain to be about the token.
 */
function lookAtRefused(parts: BrokerContext, { facts }: OpenCall, isCertain: boolean): void {
  const { id, tenant } = facts.connection
  const hasEndpoint = facts.provider.entry.oauth.account?.source === 'endpoint'
  if (!hasEndpoint && !isCertain) return
  const look = hasEndpoint
    ? checkConnection(parts, undefined, id, { tenant, mayRenew: false })
    : parts.store
        .change(tenant, rows => markNeedsReauth(parts, rows, id, 'token_refused'))
        .then(() => tellChanged(parts, tenant, id))
  parts.broker.after(look, 'A refused connection could not be checked', { tenant })
}
