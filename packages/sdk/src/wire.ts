/**
 * The shapes that go over the wire, by their wire names (CONTRACT 3, 6 and 8). Types only: this file has no behaviour
 * and no imports, so that a server may share it. Servers may add members; clients must not fail on them. In answers a
 * member that says nothing is null or left out.
 */

/** Codes of problem documents (RFC 9457 `code`). */
export type ErrorCode =
  | 'validation_failed'
  | 'unauthorized'
  | 'insufficient_scope'
  | 'grant_required'
  | 'grant_expired'
  | 'operation_not_permitted'
  | 'missing_scopes'
  | 'approval_denied'
  | 'audience_denied'
  | 'host_not_allowed'
  | 'user_mismatch'
  | 'not_found'
  | 'unknown_operation'
  | 'method_not_allowed'
  | 'connection_required'
  | 'needs_reauth'
  | 'conflict'
  | 'expired'
  | 'payload_too_large'
  | 'rate_limited'
  | 'quota_exhausted'
  | 'internal'
  | 'upgrade_not_supported'
  | 'provider_unavailable'
  | 'provider_answer_refused'
  | 'refresh_failed'
  | 'unavailable'
  | 'retry_body'
  | 'provider_timeout'

/** One reason why a call is not allowed, with what would mend it. */
export interface Reason {
  readonly code: ErrorCode
  readonly detail: string
  readonly fix: string
}

/** One fault of a request; `pointer` is a JSON pointer (RFC 6901) into its body. */
export interface FieldFault {
  readonly pointer: string
  readonly detail: string
}

/** RFC 9457 problem document, with the members that single codes add. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id: string
  readonly errors?: readonly FieldFault[]
  readonly reasons?: readonly Reason[]
  readonly [member: string]: unknown
}

/** One page of a list; `next_cursor` is null or absent on the last. */
export interface Page<T> {
  readonly data: readonly T[]
  readonly next_cursor?: string | null
}

/** A user in a body: by our id, or by the tenant's own. */
export type UserRef = { readonly id: string } | { readonly external_id: string }

/** A user in an answer. */
export interface UserShown {
  readonly id: string
  readonly external_id: string
}

interface Stored {
  readonly id: string
  readonly created_at: string
  readonly updated_at?: string
}

// --- providers

export interface ProviderScope {
  readonly name: string
  readonly description?: string
  readonly resource_type?: string
  readonly access?: 'read' | 'write' | 'admin'
  readonly sensitivity?: 'low' | 'medium' | 'high'
}

export interface ProviderResourceType {
  readonly name: string
  readonly words?: string
}

export interface ProviderOperation {
  readonly id: string
  readonly description?: string
  readonly resource_type: string
  readonly action: Action
  /** Where a call names the resources it is on; a grant can be limited to some of these. */
  readonly resources?: readonly ResourceLocation[]
}

export interface ResourceLocation {
  readonly type: string
  readonly in: readonly ('path' | 'query' | 'form' | 'json' | 'header')[]
  readonly name?: string
  readonly pointer?: string
  readonly header?: string
  readonly many?: boolean
  readonly optional?: boolean
}

/** What an operator has to do at the provider before anyone can connect. */
export interface Registration {
  readonly url: string
  readonly steps: readonly string[]
  readonly traps: readonly string[]
}

export interface Provider {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly category?: string
  readonly registration: Registration
  readonly scopes: readonly ProviderScope[]
  /** What reading all that is catalogued takes. */
  readonly minimal_scopes?: readonly string[]
  readonly resource_types: readonly ProviderResourceType[]
  readonly operations?: readonly ProviderOperation[]
  readonly docs_url?: string
}

/** An entry of the list of providers: what `Provider` has, less of it. */
export type ProviderSummary = Pick<Provider, 'id' | 'name' | 'status'> & Partial<Provider>

// --- integrations

export interface Overrides {
  readonly issuer?: string
  readonly authorization_endpoint?: string
  readonly token_endpoint?: string
  readonly revocation_endpoint?: string
  readonly userinfo_endpoint?: string
  /** Origin of the entry → where it is instead: `{"https://slack.com": "http://127.0.0.1:5002"}`. */
  readonly origins?: Readonly<Record<string, string>>
}

export interface IntegrationUpdate {
  readonly name?: string
  readonly client_id?: string
  readonly client_secret?: string
  readonly private_key?: string
  readonly scopes?: readonly string[]
  readonly parameters?: Readonly<Record<string, string>>
  readonly overrides?: Overrides
}

export interface IntegrationBody extends IntegrationUpdate {
  readonly provider: string
}

export interface Integration extends Stored {
  readonly provider: string
  readonly name?: string
  readonly client_id?: string | null
  readonly scopes?: readonly string[]
  readonly parameters?: Readonly<Record<string, string>>
  readonly overrides?: Overrides
  readonly status: 'incomplete' | 'ready'
  /** What it still lacks before anyone can connect. */
  readonly missing?: readonly string[]
  readonly callback_url: string
}

// --- people and clients

export interface UserBody {
  readonly external_id: string
  readonly display_name?: string
  readonly email?: string
}

export interface User extends Stored {
  readonly external_id: string
  readonly display_name?: string | null
  readonly email?: string | null
}

export interface AppBody {
  readonly name: string
  readonly scopes: readonly string[]
  readonly return_to_urls: readonly string[]
}

export interface App extends Stored, AppBody {
  readonly client_id: string
}

export interface AgentBody {
  readonly name: string
  readonly description?: string
  readonly user?: UserRef
  readonly redirect_uris?: readonly string[]
  readonly token_endpoint_auth_method?: string
  readonly jwks?: object
  readonly ceiling?: readonly string[]
}

export interface Agent extends Stored {
  readonly name: string
  readonly client_id: string
  readonly description?: string | null
  readonly user?: UserShown | null
  readonly redirect_uris?: readonly string[]
  readonly token_endpoint_auth_method?: string
  readonly jwks?: object
  readonly ceiling?: readonly string[] | null
}

/** Shown once, when the client was made; left out when the answer is a replay, and for clients without a secret. */
export interface SecretOnce {
  readonly client_secret?: string
}

// --- connect sessions and connections

export interface ConnectSessionBody {
  readonly user: UserRef
  readonly integration: string
  readonly scopes?: readonly string[]
  readonly resource_types?: readonly string[]
  readonly return_to?: string
  /** Widen or repair this connection; another account at the provider ends in `account_mismatch`. */
  readonly connection?: string
}

export interface ConnectSession {
  readonly id: string
  /** Where the person's browser goes. Left out once the session is over. */
  readonly connect_url?: string
  readonly expires_at: string
  readonly status: 'open' | 'started' | 'awaiting_completion' | 'completed' | 'failed' | 'expired'
  readonly error?:
    | 'access_denied'
    | 'provider_error'
    | 'provider_unavailable'
    | 'account_mismatch'
    | 'scopes_refused'
    | null
  readonly connection?: string | null
}

export interface CompleteBody {
  readonly completion_code: string
  /** Who is signed in at the app now, told by the app's own session and by nothing in the request's query. */
  readonly user: UserRef
}

export type ConnectionStatus = 'pending' | 'active' | 'needs_reauth' | 'error' | 'revoked' | 'disabled'

export interface Connection extends Partial<Pick<Stored, 'created_at' | 'updated_at'>> {
  readonly id: string
  /** None on machine connections. */
  readonly user?: UserShown | null
  readonly integration: string
  readonly provider: string
  readonly status: ConnectionStatus
  readonly reason?: string | null
  readonly account_label?: string | null
  readonly scopes: readonly string[]
  readonly missing_scopes: readonly string[]
  readonly resource_types: readonly string[]
  readonly credential: {
    readonly kind: 'oauth2' | 'client_credentials' | 'static'
    readonly expires_at?: string | null
    readonly last_refreshed_at?: string | null
    readonly generation: number
  }
  readonly last_used_at?: string | null
}

/** The three ways to a connection without a browser: import, client credentials, API key. */
export type ConnectionBody =
  | {
      readonly user: UserRef
      readonly integration: string
      readonly credential: {
        readonly access_token: string
        readonly refresh_token?: string
        readonly expires_at?: string
        readonly scopes?: readonly string[]
      }
    }
  | { readonly integration: string; readonly kind: 'client_credentials'; readonly scopes?: readonly string[] }
  | { readonly user?: UserRef; readonly integration: string; readonly kind: 'static'; readonly secret: string }

/** What the provider said to the end of one token. */
export type RevokedToken = 'revoked' | 'unsupported' | 'failed' | 'none'

export interface DeletedConnection extends Connection {
  readonly status: 'revoked'
  readonly revoked: { readonly access_token: RevokedToken; readonly refresh_token: RevokedToken }
  /** Connections that the provider's revocation ended as well. */
  readonly also_revoked: readonly string[]
  readonly erased: true
}

/** The proof that a connection works; it holds no data of the account. */
export interface ConnectionCheck {
  readonly ok?: boolean
  readonly status?: ConnectionStatus
  readonly reason?: string
  readonly [member: string]: unknown
}

// --- grants, tasks, decisions

export interface PathRule {
  readonly methods: readonly string[]
  readonly host?: string
  /** Literals, `{name}` one segment, `**` the rest. */
  readonly pattern: string
}

export interface GrantBody {
  readonly user?: UserRef
  readonly agent: string
  readonly connection: string
  /** `provider:resource_type:action`, or an operation id. */
  readonly permissions?: readonly string[]
  readonly paths?: readonly PathRule[]
  /** Ids by resource type: only calls that name some of these, and no others of their types. */
  readonly resources?: Readonly<Record<string, readonly string[]>>
  /** At most 90 days ahead. */
  readonly expires_at: string
  readonly idle_timeout_seconds?: number
  readonly max_calls?: number
  readonly approval?: 'none' | 'writes' | 'always'
  readonly unattended?: boolean
  readonly task?: string
}

export interface Grant
  extends Stored,
    Omit<GrantBody, 'user' | 'idle_timeout_seconds' | 'max_calls' | 'task' | 'resources'> {
  readonly resources?: Readonly<Record<string, readonly string[]>> | null
  readonly idle_timeout_seconds?: number | null
  readonly max_calls?: number | null
  readonly task?: string | null
  readonly user?: UserShown | null
  readonly granted_by?: string
  readonly status: 'active' | 'ended'
  readonly ended_reason?: string | null
  readonly calls: number
  readonly last_used_at?: string | null
}

export interface TaskBody {
  readonly agent: string
  readonly user: UserRef
  readonly purpose: string
  readonly expires_at: string
}

/** An access token for one agent, one user and one task. */
export interface TaskToken {
  readonly access_token: string
  readonly expires_in: number
}

export interface Task {
  readonly id: string
  readonly agent?: string
  readonly user?: UserShown | null
  readonly purpose?: string
  readonly expires_at?: string
  readonly status?: string
  readonly ended_at?: string | null
}

export type StartedTask = Task & TaskToken

export type DecisionBody =
  | { readonly connection: string; readonly method: string; readonly path: string; readonly body?: unknown }
  | { readonly connection: string; readonly operation: string; readonly input?: unknown }

export interface Decision {
  readonly allowed: boolean
  readonly operation: string
  readonly resource_type: string
  readonly action: Action
  /** The grant that pays. */
  readonly grant?: string
  readonly reasons: readonly Reason[]
}

export interface OperationCallBody {
  readonly connection?: string
  readonly input: unknown
  readonly dry_run?: boolean
}

export interface OperationAnswer {
  readonly operation: string
  readonly connection: string
  readonly event: string
  readonly data: unknown
  readonly next_cursor?: string | null
}

// --- audit

export type Action = 'list' | 'fetch' | 'search' | 'write' | 'delete' | 'share' | 'credential' | 'admin'
export type Outcome = 'allowed' | 'denied' | 'ok' | 'error' | 'unknown'

/** One audit event: ids only; no bodies, no queries, no secrets. */
export interface AuditEvent {
  readonly id: string
  readonly time: string
  readonly type: string
  readonly outcome: Outcome
  readonly user?: string
  readonly agent?: string
  readonly app?: string
  readonly task?: string
  readonly actor_chain?: readonly string[]
  readonly connection?: string
  readonly integration?: string
  readonly provider?: string
  readonly operation?: string
  readonly resource_type?: string
  readonly action?: Action
  readonly resource_ids?: readonly string[]
  readonly grant?: string
  readonly request_id?: string
  /** The event that this one completes. */
  readonly of?: string
  readonly decision?: { readonly reasons: readonly string[]; readonly policy_version?: string }
  readonly http?: {
    readonly method: string
    readonly host: string
    readonly path_template: string
    readonly status?: number
    readonly bytes_in?: number
    readonly bytes_out?: number
    readonly duration_ms?: number
  }
  readonly ip?: string
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

/** Filters of `GET /v1/audit/events`; times are RFC 3339. */
export interface AuditFilters {
  readonly user?: string
  readonly agent?: string
  readonly connection?: string
  readonly provider?: string
  readonly resource_type?: string
  readonly action?: Action
  readonly type?: string
  readonly outcome?: Outcome
  readonly resource?: string
  readonly task?: string
  readonly since?: string
  readonly until?: string
}

/** Filters of `GET /v1/connections`. */
export interface ConnectionFilters {
  readonly user?: string
  readonly user_external_id?: string
  readonly integration?: string
  readonly provider?: string
  /** Revoked connections are left out unless asked for by `revoked`. */
  readonly status?: ConnectionStatus
}

/** Filters of `GET /v1/grants`. */
export interface GrantFilters {
  readonly user?: string
  readonly user_external_id?: string
  readonly agent?: string
  readonly connection?: string
  readonly status?: 'active' | 'ended'
}
