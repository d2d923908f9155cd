import { entryShape } from './entry-shape.ts'
import { checkPattern, compilePattern, matchPattern, type PathPattern } from './pattern.ts'
import type { Operation, ProviderEntry, ResourceLocation, Route } from './provider.ts'

/** Everything that is wrong with an entry as it came from its file, each as `pointer: words`. Empty: fit to serve. */
export function lintEntry(value: unknown): string[] {
  const faults: string[] = []
  entryShape.check(value, '', faults)
  if (faults.length > 0) return faults
  const entry = value as ProviderEntry
  return [
    ...oauthFaults(entry),
    ...apiFaults(entry),
    ...scopeFaults(entry),
    ...operationFaults(entry),
    ...ambiguities(entry),
  ]
}

function oauthFaults({ oauth, api }: ProviderEntry): string[] {
  const faults: string[] = []
  if (
    oauth.discovery === undefined &&
    (oauth.authorizationEndpoint === undefined || oauth.tokenEndpoint === undefined)
  ) {
    faults.push('/oauth: needs authorizationEndpoint and tokenEndpoint, or discovery')
  }
  if (oauth.discovery === undefined && api.origins.length === 0) faults.push('/api/origins: at least one is needed')
  if (oauth.revocation !== undefined && oauth.revocationEndpoint === undefined && oauth.discovery === undefined) {
    faults.push('/oauth/revocation: needs revocationEndpoint')
  }
  const isFound = oauth.userinfoEndpoint !== undefined || oauth.discovery !== undefined
  if (oauth.account?.source === 'endpoint' && oauth.account.url === undefined && !isFound) {
    faults.push('/oauth/account: needs an url or userinfoEndpoint')
  }
  // Incremental authorization lets a new connection silently carry what an older one was given.
  if (oauth.authorizationParameters !== undefined && 'include_granted_scopes' in oauth.authorizationParameters) {
    faults.push('/oauth/authorizationParameters/include_granted_scopes: is never sent')
  }
  return faults
}

/** Headers that switch identity, carry credentials or belong to the connection: no entry may let agents send them. */
const forbiddenHeader =
  /^(authorization|cookie|host|connection|te|trailer|transfer-encoding|upgrade|proxy-.*|forwarded|x-forwarded-.*|x-http-method.*|x-method-override|select-user|sudo|.*-(user|as|impersonat.*)|x-goog-authenticated-.*|x-goog-iam-.*)$/

function apiFaults({ api }: ProviderEntry): string[] {
  const faults: string[] = []
  const origins = new Set<string>()
  for (const [index, { origin, pathPrefixes }] of api.origins.entries()) {
    const at = `/api/origins/${index}`
    if (new URL(origin).origin !== origin) faults.push(`${at}/origin: must be scheme and host alone, in lower case`)
    if (origins.has(origin)) faults.push(`${at}/origin: stands twice; put all path prefixes into one`)
    origins.add(origin)
    for (const prefix of pathPrefixes) {
      const isGood = prefix === '/' || (checkPattern(prefix) === undefined && !/[{*]/.test(prefix))
      if (!isGood) faults.push(`${at}/pathPrefixes: "${prefix}" must be a literal path without "/" at its end`)
    }
  }
  for (const name of [...api.requestHeaders, ...Object.keys(api.defaultHeaders ?? {})]) {
    if (forbiddenHeader.test(name))
      faults.push(`/api/requestHeaders: "${name}" switches identity or belongs to the connection`)
  }
  for (const [index, text] of (api.batch ?? []).entries()) {
    const fault = checkPattern(text)
    if (fault !== undefined) faults.push(`/api/batch/${index}: ${fault}`)
  }
  if (api.graphql !== undefined) {
    const { host, path } = api.graphql
    if (checkPattern(path) !== undefined || /[{*]/.test(path)) faults.push(`/api/graphql/path: must be a literal path`)
    if (host !== undefined && !api.origins.some(({ origin }) => new URL(origin).host === host)) {
      faults.push(`/api/graphql/host: ${host} is no host of the entry`)
    }
  }
  return faults
}

function scopeFaults(entry: ProviderEntry): string[] {
  const faults: string[] = []
  const scopes = new Set(entry.scopes.map(scope => scope.name))
  if (scopes.size !== entry.scopes.length) faults.push('/scopes: a name stands twice')
  for (const scope of entry.scopes) {
    if (!Object.hasOwn(entry.resourceTypes, scope.resourceType)) {
      faults.push(`/scopes: ${scope.name} names the unknown resource type "${scope.resourceType}"`)
    }
  }
  for (const [type, { scopes: declared }] of Object.entries(entry.resourceTypes)) {
    if (!/^[a-z][a-z0-9_]*$/.test(type) || type === 'any') faults.push(`/resourceTypes/${type}: is no name for a type`)
    for (const name of [...(declared?.read ?? []), ...(declared?.write ?? [])]) {
      if (!scopes.has(name)) faults.push(`/resourceTypes/${type}/scopes: unknown scope "${name}"`)
    }
  }
  return faults
}

function operationFaults(entry: ProviderEntry): string[] {
  const faults: string[] = []
  const scopes = new Set(entry.scopes.map(scope => scope.name))
  const ids = new Set<string>()
  for (const operation of entry.operations) {
    const at = `/operations (${operation.id})`
    if (!operation.id.startsWith(`${entry.id}.`) || /[:\s]/.test(operation.id)) {
      faults.push(`${at}: the id must begin with "${entry.id}." and have no colon or space`)
    }
    if (operation.id === `${entry.id}.unlisted`) faults.push(`${at}: this id means what is not catalogued`)
    if (ids.has(operation.id)) faults.push(`${at}: the id stands twice`)
    if (operation.id === `${entry.id}.graphql`) faults.push(`${at}: this id means GraphQL queries`)
    faults.push(...graphqlFaults(entry, operation).map(fault => `${at}: ${fault}`))
    ids.add(operation.id)
    if (!Object.hasOwn(entry.resourceTypes, operation.resourceType)) {
      faults.push(`${at}: unknown resource type "${operation.resourceType}"`)
    }
    for (const scope of [...(operation.scopes.anyOf ?? []), ...(operation.scopes.allOf ?? [])]) {
      if (!scopes.has(scope)) faults.push(`${at}: unknown scope "${scope}"`)
    }
    for (const route of operation.routes) faults.push(...routeFaults(entry, route).map(fault => `${at}: ${fault}`))
    for (const { host } of operation.links ?? []) {
      if (host !== undefined && !hostsOf(entry).has(host))
        faults.push(`${at}: links to ${host}, which is no host of the entry`)
    }
    for (const location of operation.resources ?? []) {
      faults.push(...locationFaults(entry, operation, location).map(fault => `${at}: ${fault}`))
    }
  }
  return faults
}

function graphqlFaults(entry: ProviderEntry, { routes, graphql, resources }: Operation): string[] {
  const faults: string[] = []
  const endpoint = entry.api.graphql
  if (routes.length === 0 && graphql === undefined) faults.push('needs at least one route, or a GraphQL field')
  if (graphql !== undefined && endpoint === undefined) faults.push('is a GraphQL field, and /api/graphql is missing')
  if (graphql !== undefined && resources !== undefined) faults.push('arguments of GraphQL fields are not read')
  if (endpoint !== undefined && routes.some(route => matchPattern(compilePattern(route.pattern), endpoint.path))) {
    faults.push('a route of it is the GraphQL endpoint')
  }
  const same = entry.operations.filter(one => graphql !== undefined && one.graphql === graphql)
  if (same.length > 1) faults.push(`the GraphQL field ${graphql} stands twice`)
  return faults
}

function locationFaults(entry: ProviderEntry, operation: Operation, location: ResourceLocation): string[] {
  const faults: string[] = []
  const { type, name, pointer, header } = location
  if (!Object.hasOwn(entry.resourceTypes, type)) faults.push(`a resource of the unknown type "${type}"`)
  for (const carrier of location.in) {
    const isNamed =
      carrier === 'header'
        ? header !== undefined
        : carrier === 'json'
          ? (name ?? pointer) !== undefined
          : name !== undefined
    if (!isNamed) faults.push(`a resource in ${carrier} has no name`)
    if (carrier === 'path' && operation.routes.some(route => !route.pattern.includes(`{${name}}`))) {
      faults.push(`not every route has the path parameter {${name}} of a resource`)
    }
    if (carrier === 'header' && header !== undefined && !entry.api.requestHeaders.includes(header)) {
      faults.push(`the header ${header} of a resource is not one of /api/requestHeaders`)
    }
  }
  if (name !== undefined && pointer !== undefined) faults.push('a resource has a name or a pointer, not both')
  return faults
}

const methods: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

function routeFaults(entry: ProviderEntry, route: Route): string[] {
  const fault = checkPattern(route.pattern)
  if (fault !== undefined) return [`${route.pattern}: ${fault}`]
  const faults: string[] = []
  for (const method of route.methods) {
    // HEAD goes with its GET; OPTIONS names no operation.
    if (!methods.includes(method))
      faults.push(`${route.pattern}: the method ${method} is not one of ${methods.join(', ')}`)
  }
  const host = hostOf(entry, route)
  const origin = entry.api.origins.find(one => new URL(one.origin).host === host)
  if (origin === undefined) return [...faults, `${route.pattern}: ${host} is no host of the entry`]
  const isUnder = origin.pathPrefixes.some(
    prefix => prefix === '/' || route.pattern === prefix || route.pattern.startsWith(`${prefix}/`),
  )
  if (!isUnder) faults.push(`${route.pattern}: lies under no path prefix of ${host}`)
  return faults
}

function hostsOf(entry: ProviderEntry): ReadonlySet<string> {
  return new Set(entry.api.origins.map(origin => new URL(origin.origin).host))
}

function hostOf(entry: ProviderEntry, route: Route): string {
  const first = entry.api.origins[0]
  return route.host ?? (first === undefined ? '' : new URL(first.origin).host)
}

/** Two routes of one method, host and shape would make the order of the file decide. */
function ambiguities(entry: ProviderEntry): string[] {
  const faults: string[] = []
  const taken = new Map<string, Operation>()
  for (const operation of entry.operations) {
    for (const route of operation.routes) {
      if (checkPattern(route.pattern) !== undefined) continue
      const shape = shapeOf(compilePattern(route.pattern))
      for (const method of route.methods) {
        const key = `${method} ${hostOf(entry, route)}${shape}`
        const other = taken.get(key)
        if (other !== undefined) faults.push(`/operations (${operation.id}): ${key} is also ${other.id}`)
        taken.set(key, operation)
      }
    }
  }
  return faults
}

function shapeOf(pattern: PathPattern): string {
  const segments = pattern.segments.map(segment => {
    if (segment.kind === 'literal') return segment.text.toLowerCase()
    return segment.kind === 'rest' ? '**' : `{}${segment.ending.toLowerCase()}`
  })
  return `/${segments.join('/')}`
}
