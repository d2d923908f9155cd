import type { AuditEvent } from '@valetkey/contract/events'
import type { ChainFault } from '../../core/audit/chain.ts'
import type { Client } from '../../core/client.ts'
import type { ConnectSession } from '../../core/connect-session.ts'
import type { Connection, ConnectionStatus, Credential } from '../../core/connection.ts'
import type { Grant } from '../../core/grant.ts'
import type {
  AgentId,
  ClientId,
  ConnectionId,
  EventId,
  GrantId,
  IntegrationId,
  SessionId,
  TaskId,
  TenantId,
  UserId,
} from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import type { Task } from '../../core/task.ts'
import type { Tenant } from '../../core/tenant.ts'
import type { User } from '../../core/user.ts'

/**
 * Where everything durable lives: SQLite for one process, PostgreSQL for production. No raw handle is exported;
 * `asTenant` and `change` are the only ways to a tenant's rows, and both see that tenant alone.
 */
export interface Store {
  readonly kind: 'sqlite' | 'postgres'
  /** Reads. On PostgreSQL a transaction with the tenant set for that transaction only. */
  asTenant<T>(tenant: TenantId, read: (rows: TenantRows) => Promise<T>): Promise<T>
  /** Reads and writes in one durable transaction: all of it holds when the promise resolves, or none of it. */
  change<T>(tenant: TenantId, work: (rows: TenantRows) => Promise<T>): Promise<T>
  /**
   * The audit log's own append path: one transaction and one fsync for all that wait. Resolves when durable. A `spend`
   * takes one call from the grant's budget in the same transaction; `exhausted` means that nothing of this entry was
   * written (another entry of the same batch is not touched by it). A grant that was ended since it was read gives no
   * call either. Throws `unavailable` when the write failed or more than `recordQueueBound` entries wait: do not act.
   */
  record(tenant: TenantId, entry: RecordEntry): Promise<'recorded' | 'exhausted'>
  /** What is looked up before the tenant is known; no secrets in there. */
  readonly locator: Locator
  /** Adds a tenant with its locator row. */
  createTenant(tenant: Tenant): Promise<void>
  /** For `doctor`: schema version, role, row security, write check. */
  health(): Promise<StoreHealth>
  close(): Promise<void>
}

export interface RecordEntry {
  readonly event: AuditEvent
  readonly spend?: { readonly grant: GrantId; readonly now: number }
}

export interface Locator {
  tenantBySlug(slug: string): Promise<TenantId | undefined>
  /** The first tenant, the one without a slug. */
  firstTenant(): Promise<TenantId | undefined>
  /** All tenants by id and slug (start-up, doctor, due jobs). */
  tenants(): Promise<readonly { readonly id: TenantId; readonly slug?: string }[]>
}

export interface StoreHealth {
  readonly schemaVersion: number
  readonly expectedSchemaVersion: number
  /** PostgreSQL: the role can bypass row security. Such a server must not start. */
  readonly mayBypassRowSecurity: boolean
  readonly rowSecurityProven: boolean
  /** A write was tried and taken back. */
  readonly isWritable: boolean
}

/** A page of a listing, oldest or newest first as the listing says; `cursor` is opaque. */
export interface Page<T> {
  readonly rows: readonly T[]
  readonly nextCursor?: string
}

export interface PageRequest {
  readonly limit: number
  readonly cursor?: string
}

/** One tenant's rows. Every method is bounded to the tenant it was opened for. */
export interface TenantRows {
  readonly tenant: TenantId
  tenantRow(): Promise<Tenant | undefined>
  readonly users: {
    get(id: UserId): Promise<User | undefined>
    byExternalId(externalId: string): Promise<User | undefined>
    list(page: PageRequest): Promise<Page<User>>
    insert(user: User): Promise<void>
    update(user: User): Promise<void>
  }
  readonly clients: {
    get(id: ClientId): Promise<Client | undefined>
    list(kind: Client['kind'], page: PageRequest): Promise<Page<Client>>
    insert(client: Client): Promise<void>
    update(client: Client): Promise<void>
  }
  readonly integrations: {
    get(id: IntegrationId): Promise<Integration | undefined>
    list(page: PageRequest & { readonly provider?: string }): Promise<Page<Integration>>
    insert(integration: Integration): Promise<void>
    update(integration: Integration): Promise<void>
  }
  readonly connections: {
    get(id: ConnectionId): Promise<Connection | undefined>
    list(
      page: PageRequest & {
        readonly user?: UserId
        readonly integration?: IntegrationId
        readonly provider?: string
        readonly status?: ConnectionStatus
        /** Only these; what an agent may see. */
        readonly among?: readonly ConnectionId[]
      },
    ): Promise<Page<Connection>>
    insert(connection: Connection): Promise<void>
    update(connection: Connection): Promise<void>
    /** Sets `lastUsedAt` forward; never back. */
    touch(id: ConnectionId, at: number): Promise<void>
    /** All of an integration at once, for `destination_changed`. Returns the ids that changed. */
    markIntegration(
      id: IntegrationId,
      status: ConnectionStatus,
      reason: string,
      at: number,
    ): Promise<readonly ConnectionId[]>
    /** Live connections of the same account at the same OAuth client; for `upstream: kept`. */
    sameAccount(integration: IntegrationId, accountId: string): Promise<readonly Connection[]>
  }
  readonly credentials: {
    get(connection: ConnectionId): Promise<Credential | undefined>
    insert(credential: Credential): Promise<void>
    /** Compare-and-swap: stored only if the row still has `expectedGeneration`. */
    replace(credential: Credential, expectedGeneration: number): Promise<boolean>
    /**
     * Takes the refresh lease for `generation` if nobody holds one that is still good at `now`, or if the holder is the
     * same. False: somebody else refreshes, or the generation moved on.
     */
    claimLease(claim: {
      readonly connection: ConnectionId
      readonly generation: number
      readonly holder: string
      readonly now: number
      readonly until: number
    }): Promise<boolean>
    /** Gives the lease back after a refresh that did not happen; keeps count of failures. */
    releaseLease(release: {
      readonly connection: ConnectionId
      readonly holder: string
      readonly failures: number
      readonly retryAt?: number
    }): Promise<void>
    erase(connection: ConnectionId): Promise<void>
  }
  readonly grants: {
    get(id: GrantId): Promise<Grant | undefined>
    /** All grants, ended ones too, of that agent on that connection. */
    of(agent: AgentId, connection: ConnectionId): Promise<readonly Grant[]>
    /** All of one agent that have not been ended by hand and are not past `now`. */
    liveOfAgent(agent: AgentId, now: number): Promise<readonly Grant[]>
    list(
      page: PageRequest & {
        readonly user?: UserId
        readonly agent?: AgentId
        readonly connection?: ConnectionId
        readonly task?: TaskId
        readonly status?: 'active' | 'ended'
        readonly now: number
      },
    ): Promise<Page<Grant>>
    insert(grant: Grant): Promise<void>
    /** Grants that time, idleness or budget has ended, but whose end nobody wrote down yet. */
    overdue(now: number, limit: number): Promise<readonly Grant[]>
    /** Writes `endedAt`, `endedReason` and the new MAC, once. False when it had been ended before. */
    end(grant: Grant): Promise<boolean>
  }
  readonly tasks: {
    get(id: TaskId): Promise<Task | undefined>
    list(page: PageRequest & { readonly agent?: AgentId; readonly user?: UserId }): Promise<Page<Task>>
    insert(task: Task): Promise<void>
    /** With the MAC of its ended form. */
    end(id: TaskId, at: number, mac: string): Promise<void>
  }
  readonly sessions: {
    get(id: SessionId): Promise<ConnectSession | undefined>
    byLink(linkHash: string): Promise<ConnectSession | undefined>
    byState(stateHash: string): Promise<ConnectSession | undefined>
    insert(session: ConnectSession): Promise<void>
    /** Moves the session on only if it still has status `from` (and, when given, that state hash): one use. */
    advance(session: ConnectSession, from: ConnectSession['status'], stateHash?: string): Promise<boolean>
    /** Sessions past their end that still hold something to erase. */
    overdue(now: number, limit: number): Promise<readonly ConnectSession[]>
  }
  readonly audit: {
    /** Appends within this transaction: a change and its record share it. */
    append(events: readonly AuditEvent[]): Promise<void>
    get(id: EventId): Promise<AuditEvent | undefined>
    /** Newest first. */
    query(filter: AuditFilter & PageRequest): Promise<Page<AuditEvent>>
    /** Walks every stream in order and checks leaves, links and heads. */
    verify(): Promise<AuditVerdict>
  }
  readonly keys: {
    tenantKeys(): Promise<readonly { readonly id: string; readonly wrapped: string; readonly createdAt: number }[]>
    insertTenantKey(key: { readonly id: string; readonly wrapped: string; readonly createdAt: number }): Promise<void>
    signingKeys(): Promise<readonly SigningKeyRow[]>
    insertSigningKey(key: SigningKeyRow): Promise<void>
  }
  readonly idempotency: {
    get(client: ClientId, route: string, keyHash: string): Promise<IdempotencyRow | undefined>
    /** False when the key is there already. With `now`, a key whose time is over is replaced. */
    insert(row: IdempotencyRow, now?: number): Promise<boolean>
  }
  /** Adapter rows of our authorization server: ids hashed, payload without any live token in clear. */
  readonly authorizations: {
    get(model: string, idHash: string): Promise<AuthorizationRow | undefined>
    byUid(model: string, uidHash: string): Promise<AuthorizationRow | undefined>
    upsert(row: AuthorizationRow): Promise<void>
    /** One atomic update; false when it was consumed before. */
    consume(model: string, idHash: string, at: number): Promise<boolean>
    delete(model: string, idHash: string): Promise<void>
    deleteByGrant(grantHash: string): Promise<void>
    /** One use within its life, e.g. the `jti` of a client assertion; false on a replay. */
    once(purpose: string, keyHash: string, expiresAt: number): Promise<boolean>
  }
  /** Removes expired idempotency keys, authorizations and used keys, at most `limit` of each. Returns how many went. */
  sweepExpired(now: number, limit: number): Promise<number>
}

export interface SigningKeyRow {
  readonly kid: string
  readonly publicJwk: string
  readonly sealedPrivateJwk: string
  readonly createdAt: number
}

export interface IdempotencyRow {
  readonly client: ClientId
  readonly route: string
  readonly keyHash: string
  readonly bodyHash: string
  readonly status: number
  /** The answer without its secrets. */
  readonly answer: string
  readonly location?: string
  readonly expiresAt: number
}

export interface AuthorizationRow {
  readonly model: string
  readonly idHash: string
  readonly payload: string
  readonly uidHash?: string
  readonly grantHash?: string
  readonly consumedAt?: number
  readonly expiresAt?: number
}

export interface AuditFilter {
  readonly user?: string
  readonly agent?: string
  readonly app?: string
  readonly connection?: string
  readonly provider?: string
  readonly resourceType?: string
  readonly action?: string
  readonly type?: string
  readonly outcome?: string
  readonly resource?: string
  readonly task?: string
  readonly since?: number
  readonly until?: number
  /** Only events of these connections or users: what an owner or agent may see. */
  readonly request?: string
}

export type AuditVerdict =
  | { readonly ok: true; readonly events: number; readonly head: string }
  /** `event` is the first row at fault, or the last good one before a cut; `reason` a word of `ChainFault`. */
  | { readonly ok: false; readonly event: string; readonly reason: ChainFault; readonly detail: string }
