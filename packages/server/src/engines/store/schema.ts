import type { Kysely } from 'kysely'
import type { AuditRow } from '../../core/audit/record.ts'
import type { AuthenticationMethod, Client } from '../../core/client.ts'
import type { ConnectError, ConnectStatus } from '../../core/connect-session.ts'
import type { Connection, ConnectionStatus } from '../../core/connection.ts'
import type { Grant } from '../../core/grant.ts'
import type {
  AgentId,
  AppId,
  ClientId,
  ConnectionId,
  GrantId,
  IntegrationId,
  OperatorId,
  SessionId,
  TaskId,
  TenantId,
  UserId,
} from '../../core/ids.ts'
import type { Sealed } from '../../core/secret.ts'

/**
 * The tables as both databases hold them: text and integers only, lists and objects as JSON text, times in milliseconds.
 * A secret has no column: what could be one is `Sealed` or a hash.
 */
export interface Schema {
  schema_version: { version: number; applied_at: number }
  locator: LocatorRow
  tenants: TenantTable
  users: UserTable
  clients: ClientTable
  integrations: IntegrationTable
  connections: ConnectionTable
  credentials: CredentialTable
  grants: GrantTable
  tasks: TaskTable
  connect_sessions: ConnectSessionTable
  audit_events: AuditRow
  audit_salts: { tenant_id: string; event_id: string; salts: string }
  audit_streams: { tenant_id: string; stream: string; seq: number; head: string; head_mac: string | null }
  tenant_keys: { tenant_id: TenantId; id: string; wrapped: string; created_at: number }
  signing_keys: {
    tenant_id: TenantId
    kid: string
    public_jwk: string
    sealed_private_jwk: string
    created_at: number
  }
  idempotency_keys: IdempotencyTable
  authorizations: AuthorizationTable
  used_once: { tenant_id: TenantId; purpose: string; key_hash: string; expires_at: number }
}

/** A query handle. Never leaves this folder. */
export type Handle = Kysely<Schema>

/** Which database answers; only three spellings differ (`row-set.ts`, `for update`, the place of a text). */
export type Kind = 'sqlite' | 'postgres'

interface LocatorRow {
  kind: 'first' | 'slug'
  key: string
  tenant_id: TenantId
}

interface TenantTable {
  tenant_id: TenantId
  slug: string | null
  name: string
  created_at: number
}

interface UserTable {
  tenant_id: TenantId
  id: UserId
  external_id: string
  display_name: string | null
  email: string | null
  created_at: number
  updated_at: number
  mac: string | null
}

interface ClientTable {
  tenant_id: TenantId
  id: ClientId
  kind: Client['kind']
  name: string
  description: string | null
  authentication_method: AuthenticationMethod
  secret_hash: string | null
  jwks: string | null
  scopes: string
  redirect_uris: string
  return_to_urls: string
  user_id: UserId | null
  ceiling: string | null
  created_at: number
  updated_at: number
  disabled_at: number | null
  mac: string
}

interface IntegrationTable {
  tenant_id: TenantId
  id: IntegrationId
  provider: string
  name: string
  client_id: string | null
  sealed_client_secret: Sealed | null
  sealed_private_key: Sealed | null
  scopes: string
  parameters: string
  overrides: string
  destination_digest: string
  created_at: number
  updated_at: number
}

interface ConnectionTable {
  tenant_id: TenantId
  id: ConnectionId
  user_id: UserId | null
  integration_id: IntegrationId
  provider: string
  status: ConnectionStatus
  reason: string | null
  account_id: string | null
  account_label: string | null
  scopes: string
  requested_scopes: string
  kind: Connection['kind']
  created_at: number
  updated_at: number
  last_used_at: number | null
}

interface CredentialTable {
  tenant_id: TenantId
  connection_id: ConnectionId
  generation: number
  sealed_access_token: Sealed
  sealed_refresh_token: Sealed | null
  destination_digest: string
  access_expires_at: number | null
  obtained_at: number
  last_refreshed_at: number | null
  refresh_failures: number
  refresh_retry_at: number | null
  lease_holder: string | null
  lease_until: number | null
  lease_generation: number | null
}

interface GrantTable {
  tenant_id: TenantId
  id: GrantId
  user_id: UserId | null
  agent_id: AgentId
  connection_id: ConnectionId
  permissions: string
  paths: string
  resources: string | null
  unattended: number
  task_id: TaskId | null
  granted_by: AppId | OperatorId
  expires_at: number
  idle_timeout_seconds: number | null
  max_calls: number | null
  created_at: number
  ended_at: number | null
  ended_reason: NonNullable<Grant['endedReason']> | null
  calls: number
  last_used_at: number | null
  mac: string
}

interface TaskTable {
  tenant_id: TenantId
  id: TaskId
  agent_id: AgentId
  user_id: UserId
  purpose: string
  created_by: AppId | OperatorId | AgentId
  created_at: number
  expires_at: number
  ended_at: number | null
  mac: string | null
}

interface ConnectSessionTable {
  tenant_id: TenantId
  id: SessionId
  user_id: UserId
  integration_id: IntegrationId
  scopes: string
  resource_types: string
  return_to: string | null
  repairs: ConnectionId | null
  created_by: AppId | OperatorId | AgentId
  status: ConnectStatus
  error: ConnectError | null
  connection_id: ConnectionId | null
  link_hash: string
  browser_hash: string | null
  state_hash: string | null
  sealed_verifier: Sealed | null
  sealed_nonce: Sealed | null
  destination_digest: string | null
  completion_hash: string | null
  completion_failures: number
  created_at: number
  expires_at: number
}

interface IdempotencyTable {
  tenant_id: TenantId
  client_id: ClientId
  route: string
  key_hash: string
  body_hash: string
  status: number
  answer: string
  location: string | null
  expires_at: number
}

interface AuthorizationTable {
  tenant_id: TenantId
  model: string
  id_hash: string
  payload: string
  uid_hash: string | null
  grant_hash: string | null
  consumed_at: number | null
  expires_at: number | null
}
