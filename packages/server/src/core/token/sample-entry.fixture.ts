import type { OAuthFacts, ProviderEntry } from '../catalogue/provider.ts'
import type { QuirkName } from '../catalogue/quirk.ts'
import type { ResolvedProvider } from '../catalogue/resolved-provider.ts'

/** An entry of an invented provider that keeps to the standards, with what a test wants to be otherwise. */
export function sampleEntry(
  oauth: Partial<OAuthFacts> = {},
  quirks: readonly QuirkName[] = [],
  api: Partial<ProviderEntry['api']> = {},
): ProviderEntry {
  return {
    schemaVersion: 1,
    id: 'sample',
    name: 'Sample',
    category: 'test',
    status: 'confirmed',
    confidence: 'high',
    docsUrl: 'https://sample.example/docs',
    registration: { url: 'https://sample.example/apps', steps: [], traps: [] },
    oauth: {
      pkce: 'S256',
      clientAuthentication: 'client_secret_basic',
      tokenRequestFormat: 'form',
      scopeSeparator: ' ',
      refresh: 'rotating',
      authorizationModel: 'per_token',
      ...oauth,
    },
    quirks,
    api: {
      origins: [{ origin: 'https://api.sample.example', pathPrefixes: ['/'] }],
      requestHeaders: [],
      credentialParameters: [],
      ...api,
    },
    resourceTypes: {},
    scopes: [],
    operations: [],
  }
}

/** That entry with every endpoint under one base URL. */
export function sampleProvider(
  base: string,
  entry: ProviderEntry = sampleEntry(),
  more: Partial<ResolvedProvider> = {},
): ResolvedProvider {
  return {
    entry,
    issParameter: false,
    authorizationEndpoint: `${base}/authorize`,
    tokenEndpoint: `${base}/token`,
    revocationEndpoint: `${base}/revoke`,
    oauthEndpoints: [],
    origins: [],
    destinationDigest: 'digest',
    missing: [],
    ...more,
  }
}
