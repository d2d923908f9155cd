import type { Caller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import type { ConnectionId } from '../../core/ids.ts'
import { renewToken } from './renew-token.ts'
import { renewableOf, requireUsable } from './renewable-of.ts'
import { type CredentialParts, failureOf, isRenewable } from './renewal.ts'

/** Renews a credential by hand, whatever is left of it. Throws `needs_reauth`, `refresh_failed` or `conflict`. */
export async function renewNow(parts: CredentialParts, caller: Caller, id: ConnectionId): Promise<void> {
  const { connection, integration, credential } = await renewableOf(parts, caller.tenant, id)
  requireUsable(connection)
  if (credential === undefined || !isRenewable(connection, credential)) {
    throw new Failure(
      'conflict',
      'This credential has no refresh token, so it cannot be renewed. It stays good until the provider ends it.',
    )
  }
  const renewal = await renewToken(
    parts,
    { connection, integration },
    { generation: credential.generation, isDead: false, isAsked: true, caller },
  )
  if (renewal.kind !== 'renewed') throw failureOf(renewal, parts.now())
}
