import { type ApiParts, callApi } from './api.ts'
import { type ConnectionFetch, type ConnectionFetchOptions, connectionFetch } from './connection-fetch.ts'
import { type Listing, listing } from './listing.ts'
import type {
  Agent,
  AgentBody,
  App,
  AppBody,
  AuditEvent,
  AuditFilters,
  CompleteBody,
  Connection,
  ConnectionBody,
  ConnectionCheck,
  ConnectionFilters,
  ConnectSession,
  ConnectSessionBody,
  Decision,
  DecisionBody,
  DeletedConnection,
  Grant,
  GrantBody,
  GrantFilters,
  Integration,
  IntegrationBody,
  IntegrationUpdate,
  OperationAnswer,
  OperationCallBody,
  Provider,
  ProviderSummary,
  SecretOnce,
  StartedTask,
  Task,
  TaskBody,
  TaskToken,
  User,
  UserBody,
} from './wire.ts'

/** One connection, by its id or by a provider id of which exactly one granted connection is in reach. */
export interface ConnectionHandle {
  readonly id: string
  /** Not bound to `this`: may be handed to other SDKs as their `fetch`. */
  readonly fetch: ConnectionFetch
}

/** The parts of the API, one member a subject. */
export type Resources = ReturnType<typeof resourcesOf>

/** Every route of the API that this client knows, under its subject. Bodies and answers keep their wire names. */
export function resourcesOf(parts: ApiParts) {
  const get = async <T>(path: string) => (await callApi<T>(parts, { method: 'GET', path })).value
  const create = async <T>(path: string, body: unknown) =>
    (await callApi<T>(parts, { method: 'POST', path, body, creates: true })).value
  const act = async <T>(path: string, body?: unknown) =>
    (await callApi<T>(parts, { method: 'POST', path, ...(body !== undefined && { body }) })).value
  const change = async <T>(path: string, body: unknown) =>
    (await callApi<T>(parts, { method: 'PATCH', path, body })).value
  const remove = async <T>(path: string) => (await callApi<T>(parts, { method: 'DELETE', path })).value
  const list = <T>(path: string, filters?: object): Listing<T> => listing<T>(parts, path, filters)

  return {
    /** What we know of services. */
    providers: {
      list: (filters?: { readonly q?: string }) => list<ProviderSummary>('/v1/providers', filters),
      get: async (id: string) => get<Provider>(`/v1/providers/${segment(id)}`),
    },
    /** OAuth clients of the tenant at providers. */
    integrations: {
      create: (body: IntegrationBody) => create<Integration>('/v1/integrations', body),
      list: () => list<Integration>('/v1/integrations'),
      get: async (id: string) => get<Integration>(`/v1/integrations/${segment(id)}`),
      /** A change of overrides or parameters needs `client_secret` again and asks owners to reconnect. */
      update: async (id: string, body: IntegrationUpdate) =>
        change<Integration>(`/v1/integrations/${segment(id)}`, body),
    },
    /** Resource owners, known by the tenant's own ids. */
    users: {
      /** Makes the user, or answers the known one of that `external_id`. */
      create: (body: UserBody) => create<User>('/v1/users', body),
      list: (filters?: { readonly external_id?: string }) => list<User>('/v1/users', filters),
      get: async (id: string) => get<User>(`/v1/users/${segment(id)}`),
    },
    /** Back ends of the tenant. */
    apps: {
      create: (body: AppBody) => create<App & SecretOnce>('/v1/apps', body),
      list: () => list<App>('/v1/apps'),
      get: async (id: string) => get<App>(`/v1/apps/${segment(id)}`),
      delete: async (id: string) => remove<App>(`/v1/apps/${segment(id)}`),
    },
    /** Programs that act. */
    agents: {
      create: (body: AgentBody) => create<Agent & SecretOnce>('/v1/agents', body),
      list: () => list<Agent>('/v1/agents'),
      get: async (id: string) => get<Agent>(`/v1/agents/${segment(id)}`),
      delete: async (id: string) => remove<Agent>(`/v1/agents/${segment(id)}`),
    },
    /** The way of a person to a connection. */
    connectSessions: {
      create: async (body: ConnectSessionBody): Promise<ConnectSession> => {
        const path = '/v1/connect-sessions'
        const first = await callApi<ConnectSession>(parts, { method: 'POST', path, body, creates: true })
        if (!first.isReplay || first.value.connect_url !== undefined) return first.value
        // The answer that held the link was lost, and the replay leaves it out: that session ends unused.
        return create<ConnectSession>(path, body)
      },
      get: async (id: string) => get<ConnectSession>(`/v1/connect-sessions/${segment(id)}`),
      /** Ends the session. `user` is who is signed in at the app now: another person is refused, and the credential erased. */
      complete: async (id: string, body: CompleteBody) =>
        act<Connection>(`/v1/connect-sessions/${segment(id)}/complete`, body),
    },
    /** Authorised accounts. */
    connections: {
      list: (filters?: ConnectionFilters) => list<Connection>('/v1/connections', filters),
      get: async (id: string) => get<Connection>(`/v1/connections/${segment(id)}`),
      /** Import, machine connection or API key; verified before it is accepted. */
      create: (body: ConnectionBody) => create<Connection>('/v1/connections', body),
      refresh: async (id: string) => act<Connection>(`/v1/connections/${segment(id)}/refresh`),
      check: async (id: string) => get<ConnectionCheck>(`/v1/connections/${segment(id)}/check`),
      /** Revokes at the provider where it can, and erases. */
      delete: async (id: string) => remove<DeletedConnection>(`/v1/connections/${segment(id)}`),
    },
    /** What users let agents do. */
    grants: {
      create: (body: GrantBody) => create<Grant>('/v1/grants', body),
      list: (filters?: GrantFilters) => list<Grant>('/v1/grants', filters),
      get: async (id: string) => get<Grant>(`/v1/grants/${segment(id)}`),
      /** Returns when the end has taken effect. */
      revoke: async (id: string) => remove<Grant>(`/v1/grants/${segment(id)}`),
    },
    /** Runs of agents for users. */
    tasks: {
      create: async (body: TaskBody): Promise<StartedTask> => {
        const path = '/v1/tasks'
        const first = await callApi<StartedTask>(parts, { method: 'POST', path, body, creates: true })
        if (!first.isReplay || first.value.access_token !== undefined) return first.value
        // The answer that held the token was lost, and the replay leaves it out: end that task, start another.
        await act<Task>(`${path}/${segment(first.value.id)}/end`)
        return create<StartedTask>(path, body)
      },
      get: async (id: string) => get<Task>(`/v1/tasks/${segment(id)}`),
      renew: async (id: string) => act<TaskToken>(`/v1/tasks/${segment(id)}/renew`),
      end: async (id: string) => act<Task>(`/v1/tasks/${segment(id)}/end`),
    },
    /** Would this call be allowed, and if not, why. Nothing is sent to the provider. */
    decisions: {
      ask: (body: DecisionBody) => act<Decision>('/v1/decisions', body),
    },
    /** Catalogued calls by their id. */
    operations: {
      call: async (operation: string, body: OperationCallBody) =>
        act<OperationAnswer>(`/v1/operations/${segment(operation)}/call`, body),
    },
    /** The record, newest first. */
    audit: {
      events: (filters?: AuditFilters) => list<AuditEvent>('/v1/audit/events', filters),
    },
    connection: (id: string, options?: ConnectionFetchOptions): ConnectionHandle => ({
      id,
      fetch: connectionFetch(parts, id, options),
    }),
  }
}

/** One path segment. An id of dots alone would climb to another route. */
function segment(id: string): string {
  if (id === '' || /^\.+$/.test(id)) throw new TypeError('Expected an id.')
  return encodeURIComponent(id)
}
