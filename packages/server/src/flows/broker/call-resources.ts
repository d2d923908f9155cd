import { Failure } from '../../core/failure.ts'
import type { Called, Denied } from '../../core/permission/decide.ts'
import {
  type CallArguments,
  contentTypeOf,
  findResources,
  type NamedResource,
} from '../../core/permission/find-resources.ts'
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

/** For the record: what the call names, as far as it was judged or stands in path and query. */
export function resourceIdsOf(
  decision: Partial<Called> & { readonly resources?: readonly NamedResource[] },
  { query, rawHeaders, seen }: Pick<ProxyCall, 'query' | 'rawHeaders' | 'seen'>,
): readonly string[] {
  const { operation, params } = decision
  if (operation?.resources === undefined) return []
  const found =
    decision.resources === undefined
      ? findResources(operation, params ?? {}, argumentsOf({ query, rawHeaders, ...(seen !== undefined && { seen }) }))
      : ({ kind: 'found', resources: decision.resources } as const)
  return found.kind === 'found' ? [...new Set(found.resources.map(resource => resource.id))] : []
}
