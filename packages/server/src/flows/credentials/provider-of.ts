import { type Discovered, resolveProvider } from '../../core/catalogue/resolve-provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Failure } from '../../core/failure.ts'
import type { Integration } from '../../core/integration.ts'
import type { DiscoveredEndpoints, OAuthClient } from '../../engines/oauth/oauth.ts'
import type { Parts } from '../../parts.ts'
import { entryOf } from '../integrations/save-integration.ts'
import { sendFor } from './send-for.ts'

type Needs = Pick<Parts, 'catalogue' | 'oauth' | 'egress' | 'now'>

interface Known {
  readonly document: Promise<Discovered>
  readonly readAt: number
}

const believedForMs = 10 * 60_000
/** Discovery documents that are remembered. */
export const mostDocuments = 1_000

/** Discovery documents by OAuth client, that is by process: several servers in one process share none. */
const documents = new WeakMap<OAuthClient, Map<string, Known>>()

/**
 * The provider of an integration with everything resolved. Where the entry says that endpoints are discovered, the
 * issuer's document is read, once in ten minutes for one issuer; its `issuer` must be the one asked for (OIDC Discovery
 * 1.0 section 4.3). Credentials are bound to `integration.destinationDigest`, which no document can change.
 */
export async function providerOf(parts: Needs, integration: Integration): Promise<ResolvedProvider> {
  const known = providerWithoutDiscovery(parts, integration)
  if (known.entry.oauth.discovery === undefined || known.issuer === undefined) return known
  const discovered = await discover(parts, integration, known.issuer)
  return resolveProvider(known.entry, { ...integration, discovered })
}

/** The same without asking anybody: enough where no OAuth endpoint is needed and none has to be recognised. */
export function providerWithoutDiscovery(parts: Pick<Parts, 'catalogue'>, integration: Integration): ResolvedProvider {
  const provider = resolveProvider(entryOf(parts, integration), integration)
  // The digest of the row is what the secrets are sealed for. Were it believed without this, a writer to the database
  // could change where they go and leave it as it was (P7).
  if (provider.destinationDigest !== integration.destinationDigest) {
    throw new Failure(
      'conflict',
      'The destinations of this integration are not those that its secrets were given for. The operator sets them again, with the client secret.',
    )
  }
  return provider
}

function discover(parts: Needs, integration: Integration, issuer: string): Promise<Discovered> {
  const mine = documents.get(parts.oauth) ?? new Map<string, Known>()
  documents.set(parts.oauth, mine)
  const key = `${integration.tenant} ${integration.id} ${integration.destinationDigest}`
  const now = parts.now()
  const found = mine.get(key)
  if (found !== undefined && now >= found.readAt && now - found.readAt < believedForMs) return found.document
  const document = read(parts, integration, issuer)
  if (mine.size >= mostDocuments) mine.delete(mine.keys().next().value!)
  mine.delete(key)
  mine.set(key, { document, readAt: now })
  // Only what was read is remembered: the next call tries again.
  document.catch(() => {
    if (mine.get(key)?.document === document) mine.delete(key)
  })
  return document
}

async function read(parts: Needs, integration: Integration, issuer: string): Promise<Discovered> {
  let document: DiscoveredEndpoints
  try {
    document = await parts.oauth.discover(sendFor(parts, integration.tenant), issuer)
  } catch (cause) {
    throw new Failure('provider_unavailable', 'The discovery document of the provider could not be read. Try again.', {
      cause,
      retryAfterSeconds: 5,
    })
  }
  if (document.issuer !== issuer) {
    throw new Failure(
      'provider_answer_refused',
      'The discovery document names another issuer than the one it was read from.',
    )
  }
  if (!document.supportsS256 && entryOf(parts, integration).oauth.pkce === 'S256') {
    // Row 19: a code that no verifier is bound to could be redeemed by whoever sees it.
    throw new Failure('provider_answer_refused', 'The provider lists its PKCE methods, and S256 is not one of them.')
  }
  return document
}
