import type { Caller } from '../../core/caller.ts'
import type { Connection } from '../../core/connection.ts'
import { Failure } from '../../core/failure.ts'
import { endOf, type Grant } from '../../core/grant.ts'
import type { ConnectionId } from '../../core/ids.ts'
import { storeEnded, tellGrants } from '../agents/end-grants.ts'
import { sealGrant } from '../grants/grant-seal.ts'
import { livingOfAccount } from './living-of-account.ts'
import { connectionEvent, markNeedsReauth, tellChanged } from './mark-connection.ts'
import { openClient } from './open-client.ts'
import { type OpenCredential, openCredential } from './open-credential.ts'
import { providerOf } from './provider-of.ts'
import { renewableOf } from './renewable-of.ts'
import type { CredentialParts, Renewable } from './renewal.ts'
import { forgetSecrets } from './retired-secrets.ts'
import { sendFor } from './send-for.ts'

export type UpstreamRevocation = 'revoked' | 'unsupported' | 'failed' | 'none'

export interface Disconnected {
  readonly connection: Connection
  readonly revoked: { readonly access_token: UpstreamRevocation; readonly refresh_token: UpstreamRevocation }
  /** Connections that died with it, because the provider ends all authorizations of an account at once. */
  readonly alsoRevoked: readonly ConnectionId[]
}

/**
 * Ends a connection. First of all here, in one durable change: status, grants, sealed material; from then on nobody can
 * use it, and streams in progress are being cut (P4). Then at the provider, with what is still in memory: if that fails,
 * the answer and the record say so (row 74).
 */
export async function disconnect(parts: CredentialParts, caller: Caller, id: ConnectionId): Promise<Disconnected> {
  const { tenant } = caller
  const { connection, integration, credential } = await renewableOf(parts, tenant, id)
  const of = { connection, integration }
  const open =
    credential === undefined
      ? undefined
      : await openCredential(parts, connection, integration, credential).catch(() => undefined)
  const grants = await endHere(parts, caller, connection)
  // First the connection, so that the record of a call that this cuts says why.
  parts.revocations.tell({ kind: 'connection', tenant, id })
  tellGrants(parts, grants)
  forgetSecrets(parts.store, id)
  const revoked = await revokeUpstream(parts, of, open, credential !== undefined)
  const alsoRevoked = await endSiblings(parts, caller, of, revoked)
  const ended = await parts.store.change(tenant, async rows => {
    await rows.audit.append([
      connectionEvent(parts, caller, connection, 'connection.deleted', 'ok', {
        access_token: revoked.access_token,
        refresh_token: revoked.refresh_token,
        also_revoked: alsoRevoked,
      }),
    ])
    return rows.connections.get(id)
  })
  return { connection: ended ?? { ...connection, status: 'revoked' }, revoked, alsoRevoked }
}

async function endHere(parts: CredentialParts, caller: Caller, connection: Connection): Promise<readonly Grant[]> {
  const { tenant, id } = connection
  // A grant that is made while we look is found at the next try.
  for (let tries = 0; tries < 5; tries++) {
    const live = await liveGrants(parts, connection)
    const now = parts.now()
    const ended = await Promise.all(
      live.map(grant => sealGrant(parts, { ...grant, endedAt: now, endedReason: 'connection_ended' })),
    )
    const isDone = await parts.store.change(tenant, async rows => {
      const current = await rows.connections.get(id)
      if (current === undefined || current.status === 'revoked') {
        throw new Failure('not_found', 'Nothing by that id is in reach of this token. Check the id.')
      }
      const still = (await rows.grants.list({ connection: id, status: 'active', now, limit: 1_000 })).rows
      if (!(await storeEnded(parts, rows, caller, ended, still))) return false
      const { reason: _, ...rest } = current
      await rows.connections.update({ ...rest, status: 'revoked', updatedAt: now })
      await rows.credentials.erase(id)
      await rows.audit.append([
        connectionEvent(parts, caller, connection, 'connection.revoked', 'ok', { grants_ended: ended.length }),
      ])
      return true
    })
    if (isDone) return ended
  }
  throw new Failure('unavailable', 'Grants on this connection keep being made. Try again.', { retryAfterSeconds: 1 })
}

async function liveGrants(parts: CredentialParts, connection: Connection): Promise<readonly Grant[]> {
  const now = parts.now()
  const live: Grant[] = []
  let cursor: string | undefined
  do {
    const at = cursor
    const page = await parts.store.asTenant(connection.tenant, rows =>
      rows.grants.list({
        connection: connection.id,
        status: 'active',
        now,
        limit: 200,
        ...(at !== undefined && { cursor: at }),
      }),
    )
    live.push(...page.rows.filter(grant => endOf(grant, now) === undefined))
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return live
}

async function revokeUpstream(
  parts: CredentialParts,
  of: Renewable,
  open: OpenCredential | undefined,
  hadCredential: boolean,
): Promise<Disconnected['revoked']> {
  if (!hadCredential) return { access_token: 'none', refresh_token: 'none' }
  if (open === undefined) return { access_token: 'failed', refresh_token: 'failed' }
  const { connection, integration } = of
  try {
    const provider = await providerOf(parts, integration)
    const client = await openClient(parts, integration)
    const send = sendFor(parts, connection.tenant)
    const { accessToken, refreshToken } = open
    // The refresh token first: with some providers it takes the access token with it, never the other way round.
    const refresh =
      refreshToken === undefined
        ? 'none'
        : await parts.oauth.revoke(send, { provider, client, token: refreshToken, kind: 'refresh_token' })
    const access =
      connection.kind === 'static'
        ? 'unsupported'
        : await parts.oauth.revoke(send, { provider, client, token: accessToken, kind: 'access_token' })
    return { access_token: access, refresh_token: refresh }
  } catch (error) {
    parts.log.warn('A disconnected credential could not be revoked at its provider', {
      connection: connection.id,
      error,
    })
    return { access_token: 'failed', refresh_token: open.refreshToken === undefined ? 'none' : 'failed' }
  }
}

/** Where one revocation ends every token of that person at the OAuth client, the other connections are dead as well. */
async function endSiblings(
  parts: CredentialParts,
  caller: Caller,
  of: Renewable,
  revoked: Disconnected['revoked'],
): Promise<readonly ConnectionId[]> {
  const { connection, integration } = of
  const model = parts.catalogue.get(connection.provider)?.oauth.authorizationModel
  const { accountId, tenant } = connection
  const isOver = revoked.access_token === 'revoked' || revoked.refresh_token === 'revoked'
  if (model === 'per_token' || model === undefined || !isOver || accountId === undefined) return []
  const dead = await parts.store.change(tenant, async rows => {
    const ids: ConnectionId[] = []
    for (const sibling of await livingOfAccount(parts, rows, integration, accountId)) {
      if (sibling.id === connection.id) continue
      if (await markNeedsReauth(parts, rows, sibling.id, 'revoked_with_another', caller)) ids.push(sibling.id)
    }
    return ids
  })
  for (const id of dead) tellChanged(parts, tenant, id)
  return dead
}
