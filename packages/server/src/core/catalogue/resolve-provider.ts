import { createHash } from 'node:crypto'
import type { FieldFault } from '@valetkey/contract/errors'
import { canonicalJson } from '../audit/canonical-json.ts'
import type { Overrides } from '../integration.ts'
import type { ProviderEntry } from './provider.ts'
import type { ResolvedOrigin, ResolvedProvider } from './resolved-provider.ts'

/** Endpoints as a discovery document of the issuer names them (OIDC Discovery 1.0 section 3). */
export interface Discovered {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly jwksUri?: string
  readonly userinfoEndpoint?: string
  readonly revocationEndpoint?: string
  readonly introspectionEndpoint?: string
  readonly registrationEndpoint?: string
  readonly deviceAuthorizationEndpoint?: string
  readonly parEndpoint?: string
  readonly issParameter: boolean
}

export interface ResolveInput {
  readonly parameters: Readonly<Record<string, string>>
  readonly overrides: Overrides
  /** For entries with discovery, once it was read. Without it the endpoints are absent, and not missing. */
  readonly discovered?: Discovered
}

const overridable = ['authorizationEndpoint', 'tokenEndpoint', 'revocationEndpoint', 'userinfoEndpoint'] as const
type EndpointName =
  | (typeof overridable)[number]
  | 'introspectionEndpoint'
  | 'registrationEndpoint'
  | 'deviceAuthorizationEndpoint'
  | 'parEndpoint'

/**
 * An entry with a tenant's parameters and overrides applied (CONTRACT 6). An endpoint given in overrides wins; else
 * `origins` maps its origin; and when `origins` is given without it, that endpoint is unreachable. The digest covers
 * issuer, endpoints and origins, but not what the issuer's discovery document says: the issuer vouches for that.
 */
export function resolveProvider(entry: ProviderEntry, input: ResolveInput): ResolvedProvider {
  const { overrides, discovered } = input
  const place = placer(overrides.origins)
  const issuer =
    overrides.issuer ?? (entry.oauth.issuer === undefined ? undefined : issuerOf(entry.oauth.issuer, place))
  const endpoint = (name: EndpointName): string | undefined => {
    const given = (overridable as readonly string[]).includes(name) ? overrides[name as keyof Overrides] : undefined
    if (given !== undefined) return given as string
    const ofEntry = entry.oauth[name]
    if (ofEntry !== undefined) return place(ofEntry)
    const found = discovered?.[name]
    return found === undefined ? undefined : (place(found) ?? found)
  }
  const authorizationEndpoint = endpoint('authorizationEndpoint')
  const tokenEndpoint = endpoint('tokenEndpoint')
  const revocationEndpoint = endpoint('revocationEndpoint')
  const introspectionEndpoint = endpoint('introspectionEndpoint')
  const userinfoEndpoint = endpoint('userinfoEndpoint')
  const jwksUri = discovered?.jwksUri === undefined ? undefined : (place(discovered.jwksUri) ?? discovered.jwksUri)
  const origins = originsOf(entry, overrides, issuer, place)
  const accountUrl = accountUrlOf(entry, userinfoEndpoint, overrides, place)
  const oauthEndpoints = [
    ...oauthNames.flatMap(name => [entry.oauth[name], discovered?.[name], endpoint(name)]),
    ...(entry.oauth.otherEndpoints ?? []).flatMap(url => [url, place(url)]),
  ].filter(url => url !== undefined)
  return {
    entry,
    ...(issuer !== undefined && { issuer }),
    issParameter: entry.oauth.issParameter ?? discovered?.issParameter ?? false,
    ...(authorizationEndpoint !== undefined && { authorizationEndpoint }),
    ...(tokenEndpoint !== undefined && { tokenEndpoint }),
    ...(revocationEndpoint !== undefined && { revocationEndpoint }),
    ...(introspectionEndpoint !== undefined && { introspectionEndpoint }),
    ...(userinfoEndpoint !== undefined && { userinfoEndpoint }),
    ...(jwksUri !== undefined && { jwksUri }),
    oauthEndpoints: [...new Set(oauthEndpoints)],
    origins,
    ...(accountUrl !== undefined && { accountUrl }),
    destinationDigest: digestOf(entry, input.parameters, overrides, issuer, origins, place),
    missing: missingOf(entry, overrides, authorizationEndpoint, tokenEndpoint, accountUrl),
  }
}

/** Userinfo is an ordinary path; all others are never proxied. */
const oauthNames = [
  'authorizationEndpoint',
  'tokenEndpoint',
  'revocationEndpoint',
  'introspectionEndpoint',
  'registrationEndpoint',
  'deviceAuthorizationEndpoint',
  'parEndpoint',
] as const

type Place = (url: string) => string | undefined

/** Where a URL of the entry really is: itself without `origins`, moved when named there, nowhere when not. */
function placer(origins: Overrides['origins']): Place {
  if (origins === undefined) return url => url
  const targets = new Map(Object.entries(origins).map(([from, to]) => [new URL(from).origin, new URL(to).origin]))
  return url => {
    const { origin } = new URL(url)
    const target = targets.get(origin)
    return target === undefined
      ? undefined
      : target + url.slice(url.indexOf('/', 8) === -1 ? url.length : url.indexOf('/', 8))
  }
}

/** An issuer is a name as well as a place: whoever stands in for its origin also speaks under that name. */
function issuerOf(issuer: string, place: Place): string {
  return place(issuer) ?? issuer
}

function originsOf(
  entry: ProviderEntry,
  overrides: Overrides,
  issuer: string | undefined,
  place: Place,
): readonly ResolvedOrigin[] {
  if (entry.api.origins.length > 0) {
    return entry.api.origins.flatMap(({ origin, pathPrefixes }) => {
      const target = place(origin)
      return target === undefined ? [] : [{ host: new URL(origin).host, target, pathPrefixes }]
    })
  }
  const named = Object.entries(overrides.origins ?? {})
  if (named.length > 0) {
    return named.map(([from, to]) => ({ host: new URL(from).host, target: new URL(to).origin, pathPrefixes: ['/'] }))
  }
  if (issuer === undefined) return []
  const url = new URL(issuer)
  return [{ host: url.host, target: url.origin, pathPrefixes: ['/'] }]
}

function accountUrlOf(
  entry: ProviderEntry,
  userinfoEndpoint: string | undefined,
  overrides: Overrides,
  place: Place,
): string | undefined {
  const account = entry.oauth.account
  if (account?.source !== 'endpoint') return undefined
  if (account.url === undefined || account.url === entry.oauth.userinfoEndpoint) return userinfoEndpoint
  // Wherever the operator says that userinfo is, an account URL on an unnamed host must not stay behind at the vendor's.
  return place(account.url) ?? overrides.userinfoEndpoint
}

function missingOf(
  entry: ProviderEntry,
  overrides: Overrides,
  authorizationEndpoint: string | undefined,
  tokenEndpoint: string | undefined,
  accountUrl: string | undefined,
): string[] {
  const missing: string[] = []
  if (entry.oauth.discovery === 'oidc') {
    if (overrides.issuer === undefined) missing.push('overrides.issuer')
    return missing
  }
  if (authorizationEndpoint === undefined) missing.push('overrides.authorization_endpoint')
  if (tokenEndpoint === undefined) missing.push('overrides.token_endpoint')
  if (entry.oauth.revocationEndpoint !== undefined && !isPlaced(entry.oauth.revocationEndpoint, overrides)) {
    if (overrides.revocationEndpoint === undefined) missing.push('overrides.revocation_endpoint')
  }
  if (entry.oauth.account?.source === 'endpoint' && accountUrl === undefined)
    missing.push('overrides.userinfo_endpoint')
  return missing
}

function isPlaced(url: string, overrides: Overrides): boolean {
  return placer(overrides.origins)(url) !== undefined
}

function digestOf(
  entry: ProviderEntry,
  parameters: Readonly<Record<string, string>>,
  overrides: Overrides,
  issuer: string | undefined,
  origins: readonly ResolvedOrigin[],
  place: Place,
): string {
  const endpoints: Record<string, string | undefined> = {}
  for (const name of [...oauthNames, 'userinfoEndpoint' as const]) {
    const given = (overrides as Readonly<Record<string, unknown>>)[name]
    const ofEntry = entry.oauth[name]
    endpoints[name] = typeof given === 'string' ? given : ofEntry === undefined ? undefined : place(ofEntry)
  }
  const destinations = {
    version: 1,
    provider: entry.id,
    parameters,
    issuer,
    endpoints,
    accountUrl: accountUrlOf(entry, endpoints.userinfoEndpoint, overrides, place),
    origins: origins.map(origin => [origin.host, origin.target]).sort(),
    mapped: Object.entries(overrides.origins ?? {})
      .map(([from, to]) => [new URL(from).origin, new URL(to).origin])
      .sort(),
  }
  return createHash('sha256').update(canonicalJson(destinations)).digest('base64url')
}

/**
 * What is wrong with overrides as they came in a body at `pointer`: syntax alone. Whether a target may be reached is
 * for egress to say, at use.
 */
export function checkOverrides(entry: ProviderEntry, overrides: Overrides, pointer = '/overrides'): FieldFault[] {
  const faults: FieldFault[] = []
  const urls = { issuer: overrides.issuer, ...Object.fromEntries(overridable.map(name => [name, overrides[name]])) }
  for (const [name, url] of Object.entries(urls)) {
    const fault = url === undefined ? undefined : urlFault(url, name === 'issuer')
    if (fault !== undefined) faults.push({ pointer: `${pointer}/${snake(name)}`, detail: fault })
  }
  const known = knownOrigins(entry)
  const seen = new Set<string>()
  for (const [from, to] of Object.entries(overrides.origins ?? {})) {
    const at = `${pointer}/origins/${from.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const fault = originFault(from) ?? originFault(to)
    if (fault !== undefined) {
      faults.push({ pointer: at, detail: fault })
      continue
    }
    const { origin } = new URL(from)
    if (seen.has(origin)) faults.push({ pointer: at, detail: `${origin} stands twice in origins.` })
    seen.add(origin)
    if (entry.api.origins.length > 0 && !known.has(origin)) {
      const valid = [...known].join(', ')
      faults.push({ pointer: at, detail: `${origin} is no origin of ${entry.name}. Write one of: ${valid}.` })
    }
  }
  return faults
}

/** Every origin that an entry names: its API's, its endpoints' and its account rule's. */
export function knownOrigins(entry: ProviderEntry): ReadonlySet<string> {
  const { oauth } = entry
  const urls = [
    ...entry.api.origins.map(origin => origin.origin),
    ...oauthNames.map(name => oauth[name]),
    oauth.userinfoEndpoint,
    oauth.account?.url,
    oauth.issuer,
    ...(oauth.otherEndpoints ?? []),
  ]
  return new Set(urls.filter(url => url !== undefined).map(url => new URL(url).origin))
}

function urlFault(text: string, isIssuer: boolean): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text) || !['http:', 'https:'].includes(url.protocol)) {
    return 'Write an absolute http or https URL.'
  }
  if (/[\s\\]/.test(text)) return 'A URL has no spaces and no backslashes.'
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/\/[^/?#]*@/i.test(text))
    return 'A URL here has no user name or password.'
  if (text.includes('#')) return 'A URL here has no fragment.'
  if (isIssuer && text.includes('?')) return 'An issuer has no query (RFC 8414 section 2).'
  return undefined
}

function originFault(text: string): string | undefined {
  const fault = urlFault(text, true)
  if (fault !== undefined) return fault
  const url = new URL(text)
  if (url.pathname !== '/' || text.includes('?')) return 'An origin is scheme, host and port, without a path.'
  return undefined
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
