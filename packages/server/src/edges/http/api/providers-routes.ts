import type { ProviderEntry } from '../../../core/catalogue/provider.ts'
import { notFound } from '../../../core/failure.ts'
import { minimalScopes } from '../../../core/permission/scopes.ts'
import { ok, type Route, text } from './route.ts'

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
      verified: operation.verified,
    })),
  }
}

export const providersRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/providers',
    summary: 'List the providers of the catalogue; q searches ids and names.',
    scopes: ['providers:read'],
    clients: ['app', 'operator', 'agent'],
    query: { q: text(100), limit: text(3), cursor: text(500) },
    async handle(call) {
      const words = call.query.q?.toLowerCase()
      const entries = call.parts.catalogue
        .list()
        .filter(entry => words === undefined || entry.id.includes(words) || entry.name.toLowerCase().includes(words))
      const start =
        call.query.cursor === undefined
          ? 0
          : entries.findIndex(entry => entry.id > Buffer.from(call.query.cursor!, 'base64url').toString())
      const limit = Math.min(Math.max(Number(call.query.limit ?? 50) || 50, 1), 200)
      const page = start === -1 ? [] : entries.slice(start, start + limit)
      const last = page.at(-1)
      const more = start !== -1 && start + limit < entries.length && last !== undefined
      return ok({ data: page.map(showBriefly), next_cursor: more ? Buffer.from(last.id).toString('base64url') : null })
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
