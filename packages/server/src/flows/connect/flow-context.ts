import type { ConnectSession } from '../../core/connect-session.ts'
import type { Integration } from '../../core/integration.ts'
import type { SealContext } from '../../engines/vault/vault.ts'

/** Binds what a flow keeps between its steps to tenant, user, integration, session, destinations and field (P6). */
export function flowContext(
  session: ConnectSession,
  integration: Integration,
  field: 'code_verifier' | 'nonce',
): SealContext {
  return {
    tenant: session.tenant,
    user: session.user,
    integration: session.integration,
    connection: session.id,
    destination: integration.destinationDigest,
    field,
  }
}
