import type { AuditEvent } from '@valetkey/contract/events'
import type { Client } from '../../core/client.ts'
import { Failure } from '../../core/failure.ts'
import type { TaskId, UserId } from '../../core/ids.ts'
import { Secret } from '../../core/secret.ts'
import { baseUrlOf, type Tenant } from '../../core/tenant.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'

/** Where a request for a token came from, as its event says. */
export interface Origin {
  readonly requestId: string
  readonly ip?: string
}

export interface TokenOrder {
  readonly tenant: Tenant
  readonly client: Client
  readonly audience: string
  readonly scopes: readonly string[]
  readonly lifetimeSeconds: number
  /** For whom the agent works; without it the token has no user and `sub` is the client (row 102). */
  readonly onBehalfOf?: { readonly user: UserId; readonly task: TaskId }
}

export interface IssuedToken {
  readonly accessToken: Secret
  readonly expiresIn: number
  readonly scopes: readonly string[]
}

export type TokenParts = Pick<Parts, 'config' | 'now' | 'random' | 'signers'>

/** Agents' tokens live ten minutes, those of apps and operators an hour (CONTRACT 5). */
export function lifetimeOf(client: Pick<Client, 'kind'>): number {
  return client.kind === 'agent' ? 600 : 3600
}

/**
 * Signs an access token of ours (RFC 9068). It is handed out only after `record` has taken its event, so that no token
 * exists that the log does not know (P2). The token itself is stored nowhere.
 */
export async function issueToken(
  parts: TokenParts,
  order: TokenOrder,
  origin: Origin,
  record: (event: AuditEvent) => Promise<unknown>,
): Promise<IssuedToken> {
  const { tenant, client, onBehalfOf } = order
  if (order.lifetimeSeconds < 1)
    throw new Failure('expired', 'This has reached its end; no token can be issued for it.')
  const jti = parts.random(16).toString('base64url')
  const iat = Math.floor(parts.now() / 1000)
  const signer = await parts.signers.of(tenant.id)
  const jwt = await signer.signAccessToken({
    iss: baseUrlOf(tenant, parts.config.url),
    aud: order.audience,
    sub: onBehalfOf?.user ?? client.id,
    client_id: client.id,
    scope: order.scopes.join(' '),
    tenant: tenant.id,
    jti,
    iat,
    exp: iat + order.lifetimeSeconds,
    ...(onBehalfOf !== undefined && { act: { sub: client.id }, task: onBehalfOf.task }),
  })
  await record(
    eventOf(parts, undefined, {
      type: 'token.issued',
      outcome: 'ok',
      ...(client.kind === 'agent' ? { agent: client.id } : { app: client.id }),
      ...(onBehalfOf !== undefined && { user: onBehalfOf.user, task: onBehalfOf.task }),
      actor_chain: onBehalfOf === undefined ? [client.id] : [onBehalfOf.user, client.id],
      request_id: origin.requestId,
      ...(origin.ip !== undefined && { ip: origin.ip }),
      facts: { token: jti, audience: order.audience, scopes: [...order.scopes], expires_in: order.lifetimeSeconds },
    }),
  )
  return { accessToken: new Secret(jwt), expiresIn: order.lifetimeSeconds, scopes: order.scopes }
}
