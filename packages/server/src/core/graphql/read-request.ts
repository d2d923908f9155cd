import { type CallArguments, contentTypeOf, readUtf8 } from '../permission/find-resources.ts'
import { readForm } from '../request/strict-form.ts'
import { readJson } from '../request/strict-json.ts'
import { type GraphqlCall, readDocument } from './read-document.ts'

export type GraphqlReading =
  | { readonly kind: 'read'; readonly call: GraphqlCall }
  /** It cannot be told before the body is read. */
  | { readonly kind: 'unread' }
  | { readonly kind: 'refused'; readonly why: string }

/** What a request may say. Whatever names a query that is not in it, or changes how it is taken, is none of these. */
const members: readonly string[] = ['query', 'operationName', 'variables']

/**
 * What a request to a GraphQL endpoint does (GraphQL over HTTP, sections 5 and 6): GET with the document in the query, POST
 * of one JSON object, or of the document alone as `application/graphql`. No lists of requests, no persisted queries, no
 * extensions, no uploads.
 */
export function readGraphqlRequest(method: string, request: CallArguments): GraphqlReading {
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isRead && method !== 'POST') return refused('A GraphQL endpoint takes GET and POST.')
  const query = readForm(request.query)
  if (!query.ok) return refused(query.why)
  if (isRead) {
    if (request.body !== undefined && request.body.length > 0) return refused('A GraphQL request by GET has no body.')
    const reading = readMembers(Object.fromEntries(query.value))
    return reading.kind === 'read' && reading.call.kind !== 'query' ? refused('GraphQL mutations go by POST.') : reading
  }
  if (query.value.size > 0) return refused('A GraphQL request by POST has no query parameters.')
  return readPost(request)
}

function readPost({ body, rawHeaders }: CallArguments): GraphqlReading {
  if (body === 'unread') return { kind: 'unread' }
  const contentType = contentTypeOf(rawHeaders)?.trim().toLowerCase() ?? ''
  const [, type] = /^([a-z/+.-]+)(?:\s*;\s*charset\s*=\s*"?utf-?8"?)?$/.exec(contentType) ?? []
  const text = body === undefined || body === 'content' ? undefined : readUtf8(body)
  if (text === undefined || (type !== 'application/json' && type !== 'application/graphql')) {
    return refused('A GraphQL request by POST is one JSON object in UTF-8, or the document as application/graphql.')
  }
  if (type === 'application/graphql') return readDocumentOf(text, undefined)
  const json = readJson(text)
  if (!json.ok) return refused(json.why)
  const { value } = json.value
  if (Array.isArray(value)) return refused('Lists of GraphQL requests are not brokered. Send the calls singly.')
  if (typeof value !== 'object' || value === null) return refused('A GraphQL request is a JSON object.')
  return readMembers(value as Readonly<Record<string, unknown>>)
}

function readMembers(given: Readonly<Record<string, unknown>>): GraphqlReading {
  const other = Object.keys(given).find(name => !members.includes(name))
  if (other !== undefined) {
    return refused(
      `"${other.slice(0, 40)}" is not brokered: a GraphQL request has query, operationName and variables, no persisted query and no extensions.`,
    )
  }
  const { query, operationName } = given
  if (typeof query !== 'string' || query === '')
    return refused('The GraphQL document is missing: "query" must be a text.')
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') {
    return refused('"operationName" must be a text.')
  }
  return readDocumentOf(query, operationName ?? undefined)
}

function readDocumentOf(text: string, operationName: string | undefined): GraphqlReading {
  const reading = readDocument(text)
  if (!reading.ok) return refused(reading.why)
  if (operationName !== undefined && operationName !== '' && operationName !== reading.call.name) {
    return refused('"operationName" is not the name of the operation in the document.')
  }
  return { kind: 'read', call: reading.call }
}

function refused(why: string): GraphqlReading {
  return { kind: 'refused', why }
}
