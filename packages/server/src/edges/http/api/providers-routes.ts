import type { ProviderEntry } from '../../../core/catalogue/provider.ts'
import { invalid, notFound } from '../../../core/failure.ts'
import { minimalScopes } from '../../../core/permission/scopes.ts'
import { pageAnswer, pageOf } from './page.ts'
import { ok, pageQuery, type Route, text } from './route.ts'

function showBriefly(entry: ProviderEntry): Record<string, unknown> {
  return {
    id: entry.id,
    name: entry.name,
    category: entry.category,
    status: entry.status,
    confidence: entry.confidence,
    docs_url: entry.docsUrl,
  }
}

function show(entry: ProviderEntry): Record<string, unknown> {
  return {
    ...showBriefly(entry),
    registration: entry.registration,
    authorization_model: entry.oauth.authorizationModel,
    quirks: entry.quirks,
    hosts: entry.api.origins.map(origin => new URL(origin.origin).host),
    origins: entry.api.origins.map(origin => origin.origin),
    scopes: entry.scopes.map(scope => ({
      name: scope.name,
      description: scope.description,
      resource_type: scope.resourceType,
      access: scope.access,
      sensitivity: scope.sensitivity,
    })),
    minimal_scopes: minimalScopes(entry, Object.keys(entry.resourceTypes), 'read'),
    resource_types: Object.entries(entry.resourceTypes).map(([name, type]) => ({ name, words: type.words })),
    operations: entry.operations.map(operation => ({
      id: operation.id,
      description: operation.description,
      resource_type: operation.resourceType,
      action: operation.action,
      routes: operation.routes,
      ...(operation.resources !== undefined && { resources: operation.resources }),
      verified: operation.verified,
    })),
  }
}

/** The id after which a page begins. */
function idIn(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (/^[a-z0-9-]{1,100}$/.test(id)) return id
  throw invalid('/cursor', 'This is no cursor of this listing. Take next_cursor as it was given.')
}

export const providersRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/providers',
    summary: 'List the providers of the catalogue; q searches ids and names.',
    scopes: ['providers:read'],
    clients: ['app', 'operator', 'agent'],
    query: { ...pageQuery, q: text(100) },
    async handle(call) {
      const { limit, cursor } = pageOf(call)
      const words = call.query.q?.toLowerCase()
      const after = cursor === undefined ? '' : idIn(cursor)
      const entries = call.parts.catalogue
        .list()
        .filter(entry => words === undefined || entry.id.includes(words) || entry.name.toLowerCase().includes(words))
        .filter(entry => entry.id > after)
        .sort((one, other) => (one.id < other.id ? -1 : 1))
      const rows = entries.slice(0, limit)
      const last = rows.at(-1)
      const isMore = entries.length > limit && last !== undefined
      return pageAnswer(
        { rows, ...(isMore && { nextCursor: Buffer.from(last.id).toString('base64url') }) },
        showBriefly,
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/providers/{id}',
    summary: 'One provider: where to register, its scopes, resource types and operations.',
    scopes: ['providers:read'],
    clients: ['app', 'operator', 'agent'],
    async handle(call) {
      const entry = call.parts.catalogue.get(call.params.id ?? '')
      if (entry === undefined) throw notFound()
      return ok(show(entry))
    },
  },
]
