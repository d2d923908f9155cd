import { hash } from 'node:crypto'
import type { Caller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'
import type { AgentId, AppId, ClientId, OperatorId, TaskId, TenantId, UserId } from '../../core/ids.ts'
import { isId } from '../../core/ids.ts'
import { isTaskLive } from '../../core/task.ts'
import { baseUrlOf, type Tenant } from '../../core/tenant.ts'
import type { AccessTokenClaims } from '../../engines/signer/access-token-claims.ts'
import { loadClient } from '../../flows/agents/load-client.ts'
import { genuineTask } from '../../flows/agents/task-seal.ts'
import type { Parts } from '../../parts.ts'

/** What one request says about who asks. */
export interface Credentials {
  /** Every `Authorization` field of the request (`authorizationOf`), never a merged or first one. */
  readonly authorization: readonly string[]
  readonly requestId: string
  readonly ip?: string
  /** Which protected resource is asked: the API and proxy, or the MCP endpoint (row 8). */
  readonly resource?: 'api' | 'mcp'
  /** `/proxy` also takes `Authorization: token …`, which some vendors' SDKs send. */
  readonly takesTokenScheme?: boolean
}

/** Makes a Caller of a request, or throws `unauthorized`. */
export type Authenticate = (tenant: Pick<Tenant, 'id' | 'slug'>, credentials: Credentials) => Promise<Caller>

type AuthenticateParts = Pick<Parts, 'config' | 'now' | 'store' | 'vault' | 'log' | 'signers' | 'revocations'>

/** What stays of a token whose signature was checked. */
interface Verified {
  readonly tenant: TenantId
  readonly resource: 'api' | 'mcp'
  readonly claims: AccessTokenClaims
  readonly verifiedAt: number
  /** Scopes of the token that its client still has. */
  readonly scopes: ReadonlySet<string>
  /** When client and task were last read. */
  readonly livedAt: number
}

// A signature is believed for a minute, so that a key that was taken out of use stops working soon.
const believedForMs = 60_000
// How long client and task are believed to live without reading them. What ends in this process is heard of at once;
// this is for what ends in another one (P4: within 1 s).
const liveForMs = 500
/** Verified tokens that are remembered. */
export const mostTokens = 10_000

/**
 * The one place where a token becomes a Caller. A token is verified once and then found by the SHA-256 of its bytes, for
 * a minute at most and never past its end; its client and task must live, or it is refused from that moment on.
 */
export function createAuthenticate(parts: AuthenticateParts): Authenticate {
  const known = new Map<string, Verified>()
  // Counts what ended, so that an answer of the store from before an end is not remembered after it.
  let epoch = 0
  parts.revocations.listen(ended => {
    if (ended.kind !== 'task' && ended.kind !== 'client') return
    epoch++
    for (const [key, { tenant, claims }] of known) {
      const id = ended.kind === 'task' ? claims.task : claims.client_id
      if (tenant === ended.tenant && id === ended.id) known.delete(key)
    }
  })

  async function verify(tenant: Pick<Tenant, 'id' | 'slug'>, jwt: string, resource: 'api' | 'mcp') {
    const now = parts.now()
    const baseUrl = baseUrlOf(tenant, parts.config.url)
    const kid = kidOf(jwt)
    if (kid === undefined) throw refused('The access token is not one of ours.')
    const signer = await parts.signers.knowing(tenant.id, kid)
    const audience = resource === 'mcp' ? `${baseUrl}/mcp` : baseUrl
    const claims = await signer.verifyAccessToken(jwt, { issuer: baseUrl, audience, now })
    if (claims.tenant !== tenant.id) throw refused('The access token is of another tenant.')
    return { tenant: tenant.id, resource, claims, verifiedAt: now }
  }

  /** Reads client and task again. Throws when one has ended, and `unavailable` when they cannot be read (row 87). */
  async function live(token: Omit<Verified, 'scopes' | 'livedAt'>): Promise<Verified> {
    const { claims, tenant } = token
    const livedAt = parts.now()
    const client = await loadClient(parts, tenant, claims.client_id).catch(unavailable)
    if (client === undefined) throw refused('The client of this access token is disabled or deleted.')
    if (claims.sub === client.id) {
      if (claims.act !== undefined || claims.task !== undefined) throw refused('The access token contradicts itself.')
    } else {
      // For a user only an agent acts, and only within a task (CONTRACT 5).
      const { task: id } = claims
      if (client.kind !== 'agent' || claims.act?.sub !== client.id || !isId('usr', claims.sub) || !isId('tsk', id))
        throw refused('The access token contradicts itself.')
      const row = await parts.store.asTenant(tenant, rows => rows.tasks.get(id)).catch(unavailable)
      const task = await genuineTask(parts, row)
      if (task === undefined || task.agent !== client.id || task.user !== claims.sub || !isTaskLive(task, livedAt))
        throw refused('The task of this access token has ended.')
    }
    const scopes = new Set(claims.scope.split(' ').filter(scope => client.scopes.includes(scope)))
    return { ...token, scopes, livedAt }
  }

  function remember(key: string, token: Verified): void {
    known.delete(key)
    if (known.size >= mostTokens) known.delete(known.keys().next().value!)
    known.set(key, token)
  }

  /** What follows the scheme of the one header and is remembered was read as a token before; anything else is read now. */
  function lookUp(credentials: Credentials) {
    const plain = plainBearerOf(credentials)
    if (plain !== undefined) {
      const key = hash('sha256', plain, 'base64url')
      const found = known.get(key)
      if (found !== undefined) return { jwt: plain, key, found }
    }
    const jwt = bearerOf(credentials)
    const key = hash('sha256', jwt, 'base64url')
    return { jwt, key, found: known.get(key) }
  }

  return async (tenant, credentials) => {
    const resource = credentials.resource ?? 'api'
    const now = parts.now()
    const { jwt, key, found } = lookUp(credentials)
    // The same bytes sent to another tenant or resource are another question.
    const isKnown =
      found !== undefined &&
      found.tenant === tenant.id &&
      found.resource === resource &&
      isWithin(now, found.verifiedAt, believedForMs)
    if (isKnown && now >= found.claims.exp * 1000) {
      known.delete(key)
      throw refused('The access token has expired. Get a new one.')
    }
    if (isKnown && isWithin(now, found.livedAt, liveForMs)) return callerOf(found, credentials)
    const before = epoch
    try {
      const token = await live(isKnown ? found : await verify(tenant, jwt, resource))
      if (epoch === before) remember(key, token)
      return callerOf(token, credentials)
    } catch (thrown) {
      if (found?.tenant === tenant.id && found.resource === resource) known.delete(key)
      throw thrown
    }
  }
}

/** Every `Authorization` field of a request. Node's merged `headers` keeps the first only and hides a second. */
export function authorizationOf(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === 'authorization')
}

/** What is most likely the token, unread: to look it up alone. */
function plainBearerOf({ authorization }: Credentials): string | undefined {
  const field = authorization.length === 1 ? authorization[0] : undefined
  return field?.startsWith('Bearer ') === true ? field.slice('Bearer '.length) : undefined
}

/** The token of RFC 6750 section 2.1, the only place where one is looked for: not in the query, not in a body (row 34). */
function bearerOf({ authorization, takesTokenScheme }: Credentials): string {
  if (authorization.length === 0) throw refused('Send an access token: Authorization: Bearer …')
  if (authorization.length > 1) throw refused('Send one Authorization header, not several.')
  const [, scheme, token] = /^([A-Za-z]+) +([A-Za-z0-9\-._~+/]+=*) *$/.exec(authorization[0]!) ?? []
  const isScheme =
    scheme?.toLowerCase() === 'bearer' || (takesTokenScheme === true && scheme?.toLowerCase() === 'token')
  if (token === undefined || !isScheme) throw refused('Send the access token as Authorization: Bearer …')
  return token
}

function callerOf(token: Verified, { requestId, ip }: Credentials): Caller {
  const { claims } = token
  const common = {
    tenant: token.tenant,
    scopes: token.scopes,
    tokenId: claims.jti,
    expiresAt: claims.exp * 1000,
    requestId,
    ...(ip !== undefined && { ip }),
  }
  const client = claims.client_id as ClientId
  if (isId('opr', client)) return { ...common, kind: 'operator', operator: client as OperatorId }
  if (isId('app', client)) return { ...common, kind: 'app', app: client as AppId }
  return {
    ...common,
    kind: 'agent',
    agent: client as AgentId,
    ...(claims.task !== undefined && { user: claims.sub as UserId, task: claims.task as TaskId }),
  }
}

/** False also when the clock was set back, which must not lengthen a belief. */
function isWithin(now: number, since: number, lengthMs: number): boolean {
  return now >= since && now - since < lengthMs
}

/** Only to choose among our own keys; what it says is believed after the signature. */
function kidOf(jwt: string): string | undefined {
  if (jwt.length > 8192) return undefined
  try {
    const { kid } = JSON.parse(Buffer.from(jwt.slice(0, jwt.indexOf('.')), 'base64url').toString()) as { kid?: unknown }
    return typeof kid === 'string' ? kid : undefined
  } catch {
    return undefined
  }
}

function refused(detail: string): Failure {
  return new Failure('unauthorized', detail)
}

function unavailable(cause: unknown): never {
  if (cause instanceof Failure) throw cause
  throw new Failure('unavailable', 'The store cannot be reached, so the caller cannot be known. Try again.', {
    cause,
    retryAfterSeconds: 2,
  })
}
