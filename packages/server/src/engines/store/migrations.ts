import type { Kind } from './schema.ts'

/** Tables of tenants, with what the serving role may do to their rows. Each has row security by tenant. */
export const tenantTables: Readonly<Record<string, string>> = {
  tenants: 'select, insert, update',
  users: 'select, insert, update, delete',
  clients: 'select, insert, update, delete',
  integrations: 'select, insert, update, delete',
  connections: 'select, insert, update, delete',
  credentials: 'select, insert, update, delete',
  grants: 'select, insert, update',
  tasks: 'select, insert, update',
  connect_sessions: 'select, insert, update, delete',
  // What is on the record stays there: nothing the server does changes or removes a row of it.
  audit_events: 'select, insert',
  audit_salts: 'select, insert',
  audit_streams: 'select, insert, update',
  tenant_keys: 'select, insert, update',
  signing_keys: 'select, insert, delete',
  idempotency_keys: 'select, insert, update, delete',
  authorizations: 'select, insert, update, delete',
  used_once: 'select, insert, delete',
}

/** Tables that are read before a tenant is known. No secrets in there. */
export const openTables: Readonly<Record<string, string>> = {
  locator: 'select, insert',
  schema_version: 'select',
}

/** One step of the schema: statements in the spelling that `spelled` turns into that of a database. */
export interface Migration {
  readonly version: number
  readonly statements: readonly string[]
}

const first: readonly string[] = [
  `create table locator (kind text not null, key text not null, tenant_id text not null, primary key (kind, key))`,
  `create table tenants (tenant_id text not null, slug text, name text not null, created_at integer not null,
    primary key (tenant_id))`,
  `create table users (tenant_id text not null, id text not null, external_id text not null, display_name text,
    email text, created_at integer not null, updated_at integer not null,
    primary key (tenant_id, id), unique (tenant_id, external_id))`,
  `create table clients (tenant_id text not null, id text not null, kind text not null, name text not null,
    description text, authentication_method text not null, secret_hash text, jwks text, scopes text not null,
    redirect_uris text not null, return_to_urls text not null, user_id text, ceiling text, created_at integer not null,
    updated_at integer not null, disabled_at integer, mac text not null, primary key (tenant_id, id))`,
  `create table integrations (tenant_id text not null, id text not null, provider text not null, name text not null,
    client_id text, sealed_client_secret text, sealed_private_key text, scopes text not null, parameters text not null,
    overrides text not null, destination_digest text not null, created_at integer not null,
    updated_at integer not null, primary key (tenant_id, id))`,
  `create table connections (tenant_id text not null, id text not null, user_id text, integration_id text not null,
    provider text not null, status text not null, reason text, account_id text, account_label text,
    scopes text not null, requested_scopes text not null, kind text not null, created_at integer not null,
    updated_at integer not null, last_used_at integer, primary key (tenant_id, id))`,
  `create index connections_by_user on connections (tenant_id, user_id, id)`,
  `create index connections_by_integration on connections (tenant_id, integration_id, account_id)`,
  `create table credentials (tenant_id text not null, connection_id text not null, generation integer not null,
    sealed_access_token text not null, sealed_refresh_token text, destination_digest text not null,
    access_expires_at integer, obtained_at integer not null, last_refreshed_at integer,
    refresh_failures integer not null, refresh_retry_at integer, lease_holder text, lease_until integer,
    lease_generation integer, primary key (tenant_id, connection_id))`,
  `create table grants (tenant_id text not null, id text not null, user_id text, agent_id text not null,
    connection_id text not null, permissions text not null, paths text not null, resources text, unattended integer not null,
    task_id text, granted_by text not null, expires_at integer not null, idle_timeout_seconds integer,
    max_calls integer, created_at integer not null, ended_at integer, ended_reason text, calls integer not null,
    last_used_at integer, mac text not null, primary key (tenant_id, id))`,
  `create index grants_by_agent on grants (tenant_id, agent_id, connection_id)`,
  `create index grants_by_connection on grants (tenant_id, connection_id)`,
  `create index grants_by_user on grants (tenant_id, user_id, id)`,
  `create index grants_not_ended on grants (tenant_id, id) where ended_at is null`,
  `create index grants_by_task on grants (tenant_id, task_id)`,
  `create table tasks (tenant_id text not null, id text not null, agent_id text not null, user_id text not null,
    purpose text not null, created_by text not null, created_at integer not null, expires_at integer not null,
    ended_at integer, primary key (tenant_id, id))`,
  `create index tasks_by_agent on tasks (tenant_id, agent_id, id)`,
  `create index tasks_by_user on tasks (tenant_id, user_id, id)`,
  `create table connect_sessions (tenant_id text not null, id text not null, user_id text not null,
    integration_id text not null, scopes text not null, resource_types text not null, return_to text, repairs text,
    created_by text not null, status text not null, error text, connection_id text, link_hash text not null,
    browser_hash text, state_hash text, sealed_verifier text, sealed_nonce text, destination_digest text,
    completion_hash text, completion_failures integer not null, created_at integer not null,
    expires_at integer not null, primary key (tenant_id, id), unique (tenant_id, link_hash),
    unique (tenant_id, state_hash))`,
  `create index connect_sessions_by_end on connect_sessions (tenant_id, expires_at)`,
  `create table audit_events (tenant_id text not null, stream text not null, seq integer not null, id text not null,
    "time" text not null, type text not null, outcome text not null, "user" text, agent text, app text, task text,
    actor_chain text, connection text, integration text, provider text, operation text, resource_type text,
    action text, resource_ids text, "grant" text, request_id text, "of" text, decision text, http text, ip text,
    facts text, commitments text not null, leaf text not null, head text not null,
    primary key (tenant_id, id), unique (tenant_id, stream, seq))`,
  `create index audit_events_by_time on audit_events (tenant_id, "time", id)`,
  `create index audit_events_by_user on audit_events (tenant_id, "user", "time", id)`,
  `create index audit_events_by_agent on audit_events (tenant_id, agent, "time", id)`,
  `create index audit_events_by_connection on audit_events (tenant_id, connection, "time", id)`,
  `create index audit_events_by_type on audit_events (tenant_id, type, "time", id)`,
  `create table audit_salts (tenant_id text not null, event_id text not null, salts text not null,
    primary key (tenant_id, event_id))`,
  `create table audit_streams (tenant_id text not null, stream text not null, seq integer not null,
    head text not null, head_mac text, primary key (tenant_id, stream))`,
  `create table tenant_keys (tenant_id text not null, id text not null, wrapped text not null,
    created_at integer not null, primary key (tenant_id, id))`,
  `create table signing_keys (tenant_id text not null, kid text not null, public_jwk text not null,
    sealed_private_jwk text not null, created_at integer not null, primary key (tenant_id, kid))`,
  `create table idempotency_keys (tenant_id text not null, client_id text not null, route text not null,
    key_hash text not null, body_hash text not null, status integer not null, answer text not null, location text,
    expires_at integer not null, primary key (tenant_id, client_id, route, key_hash))`,
  `create index idempotency_keys_by_end on idempotency_keys (tenant_id, expires_at)`,
  `create table authorizations (tenant_id text not null, model text not null, id_hash text not null,
    payload text not null, uid_hash text, grant_hash text, consumed_at integer, expires_at integer,
    primary key (tenant_id, model, id_hash))`,
  `create index authorizations_by_uid on authorizations (tenant_id, model, uid_hash)`,
  `create index authorizations_by_grant on authorizations (tenant_id, grant_hash)`,
  `create index authorizations_by_end on authorizations (tenant_id, expires_at)`,
  `create table used_once (tenant_id text not null, purpose text not null, key_hash text not null,
    expires_at integer not null, primary key (tenant_id, purpose, key_hash))`,
  `create index used_once_by_end on used_once (tenant_id, expires_at)`,
]

/** The one list for both databases. A migration that was released never changes; the next one is added below it. */
export const migrations: readonly Migration[] = [
  { version: 1, statements: first },
  // Rows of before have none: such a task counts as ended, such a user is not found by external_id.
  { version: 2, statements: ['alter table tasks add column mac text', 'alter table users add column mac text'] },
]

/** What this server needs, no more and no less. */
export const expectedVersion = migrations.at(-1)!.version

/** Where the version is kept. */
export const versionTable =
  'create table if not exists schema_version (version integer not null, applied_at integer not null, primary key (version))'

/**
 * A statement in the words of one database. PostgreSQL compares texts by their bytes (`C`), as SQLite does, so that
 * pages and cursors have one order. SQLite's `strict` refuses a value of another type.
 */
export function spelled(kind: Kind, statement: string): string {
  if (kind === 'postgres') return statement.replace(/\btext\b/g, 'text collate "C"').replace(/\binteger\b/g, 'bigint')
  return statement.startsWith('create table') ? `${statement} strict` : statement
}

/** The steps from a version to the expected one. Refuses a database that a newer server has written. */
export function stepsFrom(version: number): readonly Migration[] {
  if (version > expectedVersion) {
    throw new Error(
      `The database has schema version ${version}; this Valetkey knows ${expectedVersion}. Run the version that wrote it, or a newer one.`,
    )
  }
  return migrations.filter(step => step.version > version)
}
