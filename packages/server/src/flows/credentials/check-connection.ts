import type { Caller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import type { ConnectionId, TenantId } from '../../core/ids.ts'
import { markNeedsReauth, tellChanged } from './mark-connection.ts'
import type { OpenCredential } from './open-credential.ts'
import { providerOf } from './provider-of.ts'
import { renewToken } from './renew-token.ts'
import { renewableOf, requireUsable } from './renewable-of.ts'
import { type CredentialParts, failureOf, isRenewable, type Renewable } from './renewal.ts'
import { sendFor } from './send-for.ts'
import { usableToken } from './usable-token.ts'

export interface ConnectionCheck {
  readonly ok: boolean
  /** What was looked at: the account at the provider, or, where the entry knows no way to ask, the credential alone. */
  readonly checked: 'account' | 'credential'
  /** Why not, in the words of our errors. */
  readonly reason?: string
}

/**
 * Proves that a connection works, without data: the token is usable and the provider still says that it is this
 * account's. A token that the provider no longer accepts is renewed once; if that does not help, the owner has to
 * connect again.
 */
export async function checkConnection(
  parts: CredentialParts,
  caller: Caller | undefined,
  id: ConnectionId,
  options: {
    /** Without a caller. */
    readonly tenant?: TenantId
    /** False: the token in question was renewed just now. */
    readonly mayRenew?: boolean
  } = {},
): Promise<ConnectionCheck> {
  const tenant = caller?.tenant ?? options.tenant
  if (tenant === undefined) throw new TypeError('a check without a caller wants a tenant')
  const { connection, integration, credential } = await renewableOf(parts, tenant, id)
  const of: Renewable = { connection, integration }
  const asksAccount = parts.catalogue.get(connection.provider)?.oauth.account?.source === 'endpoint'
  const checked = asksAccount ? 'account' : 'credential'
  try {
    requireUsable(connection)
    if (credential === undefined) return { ok: false, checked: 'credential', reason: 'no_credential' }
    const token = await usableToken(parts, of, credential)
    if (!asksAccount) return { ok: true, checked }
    const answer = await ask(parts, of, token)
    if (answer !== 'refused')
      return { ok: answer === 'same', checked, ...(answer === 'other' && { reason: 'account_mismatch' }) }
    if (options.mayRenew !== false && isRenewable(connection, credential)) {
      const renewal = await renewToken(parts, of, { generation: token.generation, isDead: true })
      if (renewal.kind === 'failed') throw failureOf(renewal, parts.now())
      if (renewal.kind === 'renewed' && (await ask(parts, of, renewal.credential)) === 'same')
        return { ok: true, checked }
    }
    await parts.store.change(tenant, rows => markNeedsReauth(parts, rows, id, 'token_refused', caller))
    tellChanged(parts, tenant, id)
    return { ok: false, checked, reason: 'token_refused' }
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code === 'unavailable' || thrown.code === 'internal') throw thrown
    return { ok: false, checked, reason: thrown.code }
  }
}

async function ask(
  parts: CredentialParts,
  of: Renewable,
  token: OpenCredential,
): Promise<'same' | 'other' | 'refused'> {
  const { connection, integration } = of
  const provider = await providerOf(parts, integration)
  if (provider.accountUrl === undefined) return 'same'
  const { accessToken, refreshToken } = token
  try {
    const account = await parts.oauth.account(sendFor(parts, connection.tenant), {
      provider,
      tokens: {
        accessToken,
        ...(refreshToken !== undefined && { refreshToken }),
        scopes: connection.scopes,
        facts: {},
        otherSecrets: [],
      },
    })
    const isSame = account === undefined || connection.accountId === undefined || account.id === connection.accountId
    return isSame ? 'same' : 'other'
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.code === 'needs_reauth') return 'refused'
    throw thrown
  }
}
