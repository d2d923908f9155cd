import { resolveProvider } from '../../core/catalogue/resolve-provider.ts'
import type { Integration } from '../../core/integration.ts'
import type { Parts } from '../../parts.ts'

/** What an integration still lacks before anyone can connect, by the names of the API. Empty: ready. */
export function missingOf(parts: Pick<Parts, 'catalogue'>, integration: Integration): readonly string[] {
  const entry = parts.catalogue.get(integration.provider)
  if (entry === undefined) return ['provider']
  const { missing } = resolveProvider(entry, integration)
  const needsSecret = entry.oauth.clientAuthentication !== 'none'
  return [
    ...(integration.clientId === undefined ? ['client_id'] : []),
    ...(needsSecret && integration.sealedClientSecret === undefined && integration.sealedPrivateKey === undefined
      ? ['client_secret']
      : []),
    ...missing,
  ]
}
