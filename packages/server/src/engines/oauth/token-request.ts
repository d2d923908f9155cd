import type { ProviderEntry } from '../../core/catalogue/provider.ts'

/** The body in the entry's format: a form (RFC 6749), or the JSON that some vendors want instead. */
export function requestBody(entry: ProviderEntry, parameters: URLSearchParams): string {
  return isJson(entry) ? JSON.stringify(Object.fromEntries(parameters)) : parameters.toString()
}

/** Headers of a request to an OAuth endpoint: ours, and the vendor's version header where calls need one. */
export function requestHeaders(entry: ProviderEntry, ours: Readonly<Record<string, string>>): Record<string, string> {
  const vendor = entry.quirks.includes('version-header-required') ? entry.api.defaultHeaders : undefined
  return {
    ...vendor,
    ...ours,
    accept: 'application/json',
    'content-type': isJson(entry) ? 'application/json' : 'application/x-www-form-urlencoded',
    'user-agent': 'Valetkey',
  }
}

function isJson(entry: ProviderEntry): boolean {
  return entry.oauth.tokenRequestFormat === 'json' || entry.quirks.includes('json-token-request')
}
