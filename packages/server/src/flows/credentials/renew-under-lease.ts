import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Credential } from '../../core/connection.ts'
import { classifyRefresh } from '../../core/token/classify-refresh.ts'
import type { TokenAnswer } from '../../engines/oauth/oauth.ts'
import { giveBack, judgeRefusal, leaveInDoubt } from './end-lease.ts'
import { openClient } from './open-client.ts'
import { type OpenCredential, openCredential } from './open-credential.ts'
import {
  type CredentialParts,
  type Lease,
  mayRotate,
  type Renewable,
  type Renewal,
  type RenewalRequest,
} from './renewal.ts'
import { sendFor } from './send-for.ts'
import { storeRenewed } from './store-renewed.ts'

/** A claim older than this is not sent any more: what is left of the lease must cover the whole request. */
const oldestClaimMs = 15_000
/**
 * One request for a new access token, by whoever holds the lease, and what follows from its answer. The age of the lease
 * is looked at right before the bytes leave.
 */
export async function renewUnderLease(
  parts: CredentialParts,
  of: Renewable,
  row: Credential,
  provider: ResolvedProvider,
  lease: Lease,
  request: RenewalRequest,
): Promise<Renewal> {
  const { connection, integration } = of
  const now = parts.now()
  let answer: TokenAnswer
  let old: OpenCredential
  let mayHaveLeft = false
  try {
    old = await openCredential(parts, connection, integration, row)
    const client = await openClient(parts, integration)
    const beforeSend = () => {
      // A process that was paused since the claim must not send: another node may hold the lease by now.
      if (parts.monotonic() - lease.claimedAt > oldestClaimMs) throw new LeaseTooOld()
      mayHaveLeft = true
    }
    const send = sendFor(parts, connection.tenant)
    answer =
      old.refreshToken === undefined
        ? await parts.oauth.clientCredentials(send, { provider, client, scopes: connection.requestedScopes, now })
        : await parts.oauth.refresh(send, {
            provider,
            client,
            refreshToken: old.refreshToken,
            grantedScopes: connection.scopes,
            now,
            beforeSend,
          })
  } catch (thrown) {
    if (!mayHaveLeft) await giveBack(parts, connection, row, lease, 'not_sent')
    throw thrown
  }
  const verdict = classifyRefresh(answer, mayRotate(connection, provider) ? provider.entry.oauth.refresh : 'static')
  switch (verdict.kind) {
    case 'renewed': {
      const { tokens } = answer as Extract<TokenAnswer, { kind: 'tokens' }>
      return storeRenewed(parts, of, row, old, tokens, lease)
    }
    case 'needs_person':
      return judgeRefusal(parts, of, row, lease, lease.afterDoubt ? 'refresh_in_doubt' : verdict.reason, request)
    case 'in_doubt':
      return leaveInDoubt(parts, connection, row, lease, verdict.reason)
    case 'integration_fault':
      parts.log.error('The provider refuses the OAuth client of an integration; its client id or secret is wrong', {
        tenant: connection.tenant,
        integration: integration.id,
        provider: connection.provider,
        reason: verdict.reason,
      })
      return giveBack(parts, connection, row, lease, verdict.reason)
    case 'retry':
      return giveBack(parts, connection, row, lease, verdict.reason)
  }
}

/** Why a request that waited too long under its lease was not sent. */
class LeaseTooOld extends Error {
  readonly sent = false
  constructor() {
    super('The refresh lease is too old to send under it.')
    this.name = 'LeaseTooOld'
  }
}
