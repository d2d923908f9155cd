import type { Caller } from '../../core/caller.ts'
import { type Client, operatorScopes } from '../../core/client.ts'
import { type AgentId, type AppId, makeId, type OperatorId, type TenantId, type UserId } from '../../core/ids.ts'
import type { Secret } from '../../core/secret.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { findUser } from '../users/save-user.ts'
import { type ClientInput, checkClientInput, type PermissionCheck } from './check-client-input.ts'
import { hashSecret, makeSecret } from './client-secret.ts'
import { sealClient } from './load-client.ts'

export interface CreatedClient {
  readonly client: Client
  /** Shown once, stored nowhere. None for `private_key_jwt`. */
  readonly secret?: Secret
}

type CreateParts = Pick<Parts, 'store' | 'vault' | 'now' | 'random'>

/** Makes an agent or an app. Its row, with a hash of its secret, and its event are one transaction. */
export async function createClient(
  parts: CreateParts & Pick<Parts, 'log'>,
  caller: Caller,
  input: ClientInput,
  checkPermission: PermissionCheck,
): Promise<CreatedClient> {
  const checked = checkClientInput(input, checkPermission)
  const user = input.user === undefined ? undefined : (await findUser(parts, caller, input.user)).id
  const now = parts.now()
  const id = input.kind === 'agent' ? makeId('agt', now, parts.random(10)) : makeId('app', now, parts.random(10))
  const secret = checked.authenticationMethod === 'private_key_jwt' ? undefined : makeSecret(parts.random)
  const client = await sealClient(parts, {
    id,
    tenant: caller.tenant,
    kind: input.kind,
    ...checked,
    ...(secret !== undefined && { secretHash: hashSecret(secret) }),
    ...(user !== undefined && { user }),
    createdAt: now,
    updatedAt: now,
  })
  await parts.store.change(caller.tenant, async rows => {
    await rows.clients.insert(client)
    await rows.audit.append([
      eventOf(parts, caller, { ...subjectOf(client), type: `${input.kind}.created`, outcome: 'ok' }),
    ])
  })
  return { client, ...(secret !== undefined && { secret }) }
}

/** Makes an operator client of a tenant. Only `init` and `tenants create` do this: no token can make an operator. */
export async function createOperator(
  parts: CreateParts,
  tenant: TenantId,
  name: string,
): Promise<{ readonly client: Client; readonly secret: Secret }> {
  const now = parts.now()
  const secret = makeSecret(parts.random)
  const client = await sealClient(parts, {
    id: makeId('opr', now, parts.random(10)),
    tenant,
    kind: 'operator',
    name,
    authenticationMethod: 'client_secret_basic',
    secretHash: hashSecret(secret),
    scopes: [...operatorScopes],
    redirectUris: [],
    returnToUrls: [],
    createdAt: now,
    updatedAt: now,
  })
  await parts.store.change(tenant, async rows => {
    await rows.clients.insert(client)
    await rows.audit.append([
      eventOf(parts, undefined, { ...subjectOf(client), type: 'operator.created', outcome: 'ok' }),
    ])
  })
  return { client, secret }
}

/** How events name a client that something happened to. */
export function subjectOf(client: Client): {
  readonly agent?: AgentId
  readonly app?: AppId | OperatorId
  readonly user?: UserId
} {
  if (client.kind !== 'agent') return { app: client.id as AppId | OperatorId }
  return { agent: client.id as AgentId, ...(client.user !== undefined && { user: client.user }) }
}
