import type { Credential } from '../../core/connection.ts'
import { freshness, jitterOf } from '../../core/token/freshness.ts'
import { entryOf } from '../integrations/save-integration.ts'
import { type OpenCredential, openCredential } from './open-credential.ts'
import { judgeLease } from './refresh-lease.ts'
import { renewToken } from './renew-token.ts'
import { type CredentialParts, failureOf, isRenewable, mayRotate, type Renewable } from './renewal.ts'

/**
 * The credential of a connection, good to be sent now. A token that is still valid is served at once, also while its
 * renewal runs or the token endpoint fails (P5); an expired one is renewed first, once for all who wait. Throws
 * `refresh_failed` or `needs_reauth`.
 */
export async function usableToken(
  parts: CredentialParts,
  of: Renewable,
  credential: Credential,
  open: () => Promise<OpenCredential> = () => openCredential(parts, of.connection, of.integration, credential),
): Promise<OpenCredential> {
  const { connection, integration } = of
  const entry = entryOf(parts, integration)
  const now = parts.now()
  const state = freshness({
    ...credential,
    ...(entry.oauth.accessTokenLifetimeSeconds !== undefined &&
      connection.kind !== 'static' && { lifetimeSeconds: entry.oauth.accessTokenLifetimeSeconds }),
    isRenewable: isRenewable(connection, credential),
    jitter: jitterOf(connection.id),
    now,
  })
  switch (state.kind) {
    case 'usable':
    case 'backing_off':
    case 'unknown_expiry':
      return open()
    case 'due': {
      const rule = { now, isDead: false, mayRotate: mayRotate(connection, { entry }) }
      if (judgeLease(credential, rule).kind === 'free') {
        renewToken(parts, of, { generation: credential.generation, isDead: false }).catch((error: unknown) => {
          parts.log.error('A credential could not be renewed ahead of its end', { connection: connection.id, error })
        })
      }
      return open()
    }
    case 'expired': {
      const renewal = await renewToken(parts, of, { generation: credential.generation, isDead: true })
      if (renewal.kind === 'renewed') return renewal.credential
      throw failureOf(renewal, parts.now())
    }
  }
}
