import type { Credential } from '../../core/connection.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import { connectionEvent, tellChanged } from './mark-connection.ts'
import { openClient } from './open-client.ts'
import { type OpenCredential, openCredential } from './open-credential.ts'
import { providerOf } from './provider-of.ts'
import { leaseMs } from './refresh-lease.ts'
import type { CredentialParts, Lease, Renewable, Renewal } from './renewal.ts'
import { retireSecrets } from './retired-secrets.ts'
import { sendFor } from './send-for.ts'
import { sealTokens } from './store-tokens.ts'
import { wait } from './wait.ts'

/** The answer is sealed and durable before anybody uses it. */
export async function storeRenewed(
  parts: CredentialParts,
  of: Renewable,
  row: Credential,
  old: OpenCredential,
  answered: TokenSet,
  lease: Lease,
): Promise<Renewal> {
  const { connection, integration } = of
  const { tenant, id } = connection
  const now = parts.now()
  const refreshToken = answered.refreshToken ?? old.refreshToken
  const tokens = { ...answered, ...(refreshToken !== undefined && { refreshToken }) }
  const generation = row.generation + 1
  const sealed = await sealTokens(parts, connection, integration, tokens, generation, now)
  const next: Credential = { ...sealed, lastRefreshedAt: now }
  const stored = await keepTrying(parts, lease, () =>
    parts.store.change(tenant, async rows => {
      if (!(await rows.credentials.replace(next, row.generation))) return false
      const current = await rows.connections.get(id)
      if (current === undefined || current.status === 'revoked') throw new ConnectionGone()
      const wasLost = current.status === 'needs_reauth' && current.reason !== 'destination_changed'
      const moved = !sameScopes(current.scopes, tokens.scopes)
      const events = [
        connectionEvent(parts, undefined, current, 'connection.refreshed', 'ok', {
          generation,
          rotated: answered.refreshToken !== undefined && answered.refreshToken !== old.refreshToken,
        }),
      ]
      if (wasLost || row.refreshFailures > 0) {
        const facts = { failures: row.refreshFailures }
        events.push(connectionEvent(parts, undefined, current, 'connection.recovered', 'ok', facts))
      }
      if (moved) {
        const facts = { before: current.scopes, after: tokens.scopes }
        events.push(connectionEvent(parts, undefined, current, 'connection.scopes_changed', 'ok', facts))
      }
      if (wasLost || moved) {
        const { reason: _, ...rest } = current
        const kept = wasLost ? { ...rest, status: 'active' as const } : current
        await rows.connections.update({ ...kept, scopes: tokens.scopes, updatedAt: now })
      }
      await rows.audit.append(events)
      return true
    }),
  )
  const before = [old.accessToken, ...(old.refreshToken === undefined ? [] : [old.refreshToken])]
  retireSecrets(parts.store, id, [...before, ...answered.otherSecrets], now)
  tellChanged(parts, tenant, id)
  if (stored) return { kind: 'renewed', credential: { generation, ...tokens } }
  const current = await parts.store.asTenant(tenant, rows => rows.credentials.get(id))
  if (current === undefined || current.generation <= row.generation) {
    await revokeUnkept(parts, of, tokens)
    return { kind: 'needs_person', reason: 'no_credential' }
  }
  return { kind: 'renewed', credential: await openCredential(parts, connection, integration, current) }
}

/** Tokens of a connection that was ended meanwhile: nobody holds them, and nobody else should find them alive. */
async function revokeUnkept(
  parts: CredentialParts,
  { connection, integration }: Renewable,
  tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>,
): Promise<void> {
  try {
    const provider = await providerOf(parts, integration)
    const client = await openClient(parts, integration)
    const send = sendFor(parts, connection.tenant)
    const { accessToken, refreshToken } = tokens
    if (refreshToken !== undefined) {
      await parts.oauth.revoke(send, { provider, client, token: refreshToken, kind: 'refresh_token' })
    }
    await parts.oauth.revoke(send, { provider, client, token: accessToken, kind: 'access_token' })
  } catch (error) {
    parts.log.warn('Tokens of an ended connection could not be revoked', { connection: connection.id, error })
  }
}

/** The connection was ended while the provider answered: what it answered is thrown away. */
class ConnectionGone extends Error {}

/** A provider's answer is worth several tries at our own disk, while the lease keeps others away. */
async function keepTrying(parts: CredentialParts, lease: Lease, write: () => Promise<boolean>): Promise<boolean> {
  for (let pause = 50; ; pause *= 2) {
    try {
      return await write()
    } catch (thrown) {
      if (thrown instanceof ConnectionGone) return false
      if (parts.monotonic() - lease.claimedAt + pause > leaseMs - 2_000) throw thrown
      parts.log.warn('A renewed credential could not be stored; trying again', { error: thrown })
      await wait(pause)
    }
  }
}

function sameScopes(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size
}
