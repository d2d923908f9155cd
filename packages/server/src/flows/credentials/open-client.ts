import { Failure } from '../../core/failure.ts'
import type { Integration } from '../../core/integration.ts'
import type { OurClient } from '../../engines/oauth/oauth.ts'
import type { Parts } from '../../parts.ts'
import { clientSecretContext, privateKeyContext } from './seal-context.ts'

/** The integration's OAuth client with its secret opened: for a request to that provider, and for nothing longer. */
export async function openClient(parts: Pick<Parts, 'vault'>, integration: Integration): Promise<OurClient> {
  const { clientId, sealedClientSecret, sealedPrivateKey } = integration
  if (clientId === undefined) {
    throw new Failure('conflict', 'The integration has no client id yet. Ask the operator to set client_id.')
  }
  const [clientSecret, privateKey] = await Promise.all([
    sealedClientSecret && parts.vault.open(clientSecretContext(integration), sealedClientSecret),
    sealedPrivateKey && parts.vault.open(privateKeyContext(integration), sealedPrivateKey),
  ])
  return {
    clientId,
    ...(clientSecret !== undefined && { clientSecret }),
    ...(privateKey !== undefined && { privateKey }),
  }
}
