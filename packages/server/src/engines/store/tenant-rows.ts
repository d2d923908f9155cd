import { auditOf } from './rows/audit.ts'
import { authorizationsOf } from './rows/authorizations.ts'
import { clientsOf } from './rows/clients.ts'
import { connectionsOf } from './rows/connections.ts'
import { credentialsOf } from './rows/credentials.ts'
import { sweepExpired } from './rows/expired.ts'
import { grantsOf } from './rows/grants.ts'
import { idempotencyOf } from './rows/idempotency.ts'
import { integrationsOf } from './rows/integrations.ts'
import { keysOf } from './rows/keys.ts'
import { sessionsOf } from './rows/sessions.ts'
import { tasksOf } from './rows/tasks.ts'
import { readTenant } from './rows/tenants.ts'
import { usersOf } from './rows/users.ts'
import type { Scope } from './scope.ts'
import type { TenantRows } from './store.ts'

/** All repositories of one tenant over one connection. */
export function tenantRows(scope: Scope): TenantRows {
  return {
    tenant: scope.tenant,
    tenantRow: () => readTenant(scope),
    users: usersOf(scope),
    clients: clientsOf(scope),
    integrations: integrationsOf(scope),
    connections: connectionsOf(scope),
    credentials: credentialsOf(scope),
    grants: grantsOf(scope),
    tasks: tasksOf(scope),
    sessions: sessionsOf(scope),
    audit: auditOf(scope),
    keys: keysOf(scope),
    idempotency: idempotencyOf(scope),
    authorizations: authorizationsOf(scope),
    sweepExpired: (now, limit) => sweepExpired(scope, now, limit),
  }
}
