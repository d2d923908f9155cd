import { Failure } from '../../core/failure.ts'
import type { Called, Denied } from '../../core/permission/decide.ts'
import { type CallArguments, contentTypeOf } from '../../core/permission/find-resources.ts'
import { bodyNeedsInspection, firstBytesWanted, inspectedBytes } from '../../core/request/body-kind.ts'
import type { ProxyCall } from './proxy-call.ts'
import type { Upload } from './upload.ts'

/** What a call says beside method and path, as far as it was read. */
export function argumentsOf({
  query,
  rawHeaders,
  body,
  seen,
}: Pick<ProxyCall, 'query' | 'rawHeaders' | 'body' | 'seen'>): CallArguments {
  const known = seen?.body ?? (body === undefined ? undefined : 'unread')
  return { query, rawHeaders, ...(known !== undefined && { body: known }) }
}

/** Reads a body by which the call is judged, before anything is sent. Throws `payload_too_large`. */
export async function lookIntoBody(
  call: ProxyCall,
  upload: Upload,
  wanted: NonNullable<Denied['wantsBody']>,
): Promise<void> {
  if (call.seen === undefined) throw new TypeError('A call that is judged by its body has a place for it')
  const beginning = await upload.beginning(firstBytesWanted)
  if (
    wanted === 'parameters' &&
    beginning.length > 0 &&
    !bodyNeedsInspection(contentTypeOf(call.rawHeaders), beginning)
  ) {
    call.seen.body = 'content'
    return
  }
  const body = await upload.whole(inspectedBytes)
  if (body === undefined) {
    throw new Failure(
      'payload_too_large',
      'A body by which the call is judged (resources that it names, a GraphQL document) is read whole and may have 1 MiB at most. Send less.',
    )
  }
  call.seen.body = body
}

/** How many characters of ids one event holds: an agent chooses them. */
const mostOnRecord = 8_192

/** For the record: what the call names, as far as it was judged or stands in path and query. */
export function resourceIdsOf(decision: Partial<Called>, query: string): readonly string[] {
  const ids = new Set(decision.resources?.map(({ id }) => id) ?? idsInUrl(decision, query))
  const kept: string[] = []
  let length = 0
  for (const id of ids) {
    length += id.length
    if (length > mostOnRecord) break
    kept.push(id)
  }
  return kept
}

/** Not judged, and not worth a strict reading: each is taken where it plainly stands. */
function idsInUrl({ operation, params = {} }: Partial<Called>, query: string): readonly string[] {
  const ids: string[] = []
  for (const location of operation?.resources ?? []) {
    if (location.name === undefined) continue
    const isOnPath = location.in.includes('path')
    const text = isOnPath
      ? params[location.name]
      : location.in.includes('query')
        ? valueIn(query, location.name)
        : undefined
    const id = text === undefined ? undefined : decoded(text)
    if (id === undefined || id === '') continue
    if (location.many === true && !isOnPath) ids.push(...id.split(','))
    else ids.push(id)
  }
  return ids
}

function valueIn(query: string, name: string): string | undefined {
  const pairs = `&${query.slice(1)}`
  const at = pairs.indexOf(`&${name}=`)
  if (at === -1) return undefined
  const from = at + name.length + 2
  const end = pairs.indexOf('&', from)
  return pairs.slice(from, end === -1 ? undefined : end).replaceAll('+', ' ')
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
