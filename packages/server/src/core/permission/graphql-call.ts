import type { Action } from '@valetkey/contract/events'
import type { OperationTable } from '../catalogue/match-operation.ts'
import { foldPath } from '../catalogue/pattern.ts'
import type { Operation, ProviderEntry } from '../catalogue/provider.ts'
import { type GraphqlReading, readGraphqlRequest } from '../graphql/read-request.ts'
import type { CallArguments } from './find-resources.ts'

/** A request to the GraphQL endpoint of an entry, as far as it was read. */
export interface GraphqlCalled {
  readonly reading: GraphqlReading
  /** Of a mutation: what its root fields are in the catalogue. */
  readonly operations: readonly Operation[]
  /** Root fields of a mutation that are not catalogued: nobody's permission covers these. */
  readonly unknown: readonly string[]
  /** As events name it: of several operations the gravest. */
  readonly operationId: string
  readonly operation?: Operation
  readonly resourceType: string
  readonly action: Action
}

/** Gravest last. */
const gravity: readonly Action[] = ['list', 'fetch', 'search', 'write', 'delete', 'admin', 'share', 'credential']

/** Whether a path is the GraphQL endpoint: `exactly`, or only to a careless server, on whatever host. */
export function graphqlPlace(entry: ProviderEntry, host: string, path: string): 'exactly' | 'alike' | undefined {
  const { graphql, origins } = entry.api
  if (graphql === undefined) return undefined
  const first = origins[0]
  const own = graphql.host ?? (first === undefined ? '' : new URL(first.origin).host)
  if (path === graphql.path && host === own) return 'exactly'
  const folded = foldPath(path)
  const endpoint = foldPath(graphql.path)
  if (!folded.startsWith(endpoint)) return undefined
  return folded.length === endpoint.length || '/. '.includes(folded[endpoint.length]!) ? 'alike' : undefined
}

/** What a request to the GraphQL endpoint is, by its document. */
export function graphqlCalled(table: OperationTable, method: string, request: CallArguments): GraphqlCalled {
  const reading = readGraphqlRequest(method, request)
  const fields = reading.kind === 'read' && reading.call.kind === 'mutation' ? reading.call.fields : []
  const operations = fields.flatMap(field => table.mutations.get(field) ?? [])
  const gravest = operations.toSorted((a, b) => gravity.indexOf(b.action) - gravity.indexOf(a.action))[0]
  return {
    reading,
    operations,
    unknown: fields.filter(field => !table.mutations.has(field)),
    ...(gravest !== undefined && { operation: gravest }),
    operationId: gravest?.id ?? `${table.provider}.graphql`,
    resourceType: gravest?.resourceType ?? 'graphql',
    action: gravest?.action ?? (fields.length > 0 ? 'write' : 'fetch'),
  }
}
