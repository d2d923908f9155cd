import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Failure, invalid } from '../../core/failure.ts'
import { bodyNeedsInspection, firstBytesWanted, inspectedBytes } from '../../core/request/body-kind.ts'
import type { Offer } from '../../core/request/content-codings.ts'
import { type FoundParameter, findCredentialParameter } from '../../core/request/credential-parameters.ts'
import { overrideParameters } from '../../core/request/override-parameters.ts'
import { forwardHeaders } from '../../core/request/request-headers.ts'
import type { Secret } from '../../core/secret.ts'
import type { StreamRequest } from '../../engines/egress/egress.ts'
import type { ProxyCall } from './proxy-call.ts'
import type { Upload } from './upload.ts'

/** A request on its way up, complete but for the credential, so that it can be sent with another one. */
export interface Outgoing {
  /** The codings in which the answer may come. */
  readonly offer: Offer
  with(accessToken: Secret): StreamRequest
}

/**
 * Judges what goes up: no parameter that carries a credential of the agent's own or makes another call of this one, in
 * query or body, and headers by the allow-list (P7). A body that may hold parameters is read whole before anything is sent. Throws `validation_failed` or
 * `payload_too_large`.
 */
export async function prepareOutgoing(
  provider: ResolvedProvider,
  target: string,
  call: ProxyCall,
  upload: Upload,
  offer: Offer,
): Promise<Outgoing> {
  const { api } = provider.entry
  const credential = api.credentialHeader ?? { name: 'authorization', scheme: 'Bearer' }
  const forwarded = forwardHeaders(call.rawHeaders, {
    entryHeaders: api.requestHeaders,
    ...(api.defaultHeaders !== undefined && { defaultHeaders: api.defaultHeaders }),
    credentialHeader: credential.name,
    offer,
  })
  if (!forwarded.ok) throw invalid(`/headers/${forwarded.header}`, forwarded.why)
  const refused = [...api.credentialParameters, ...overrideParameters]
  refuseParameter(findCredentialParameter({ query: call.query }, refused))
  // As it goes up: one that stays here, because `Connection` names it, tells the provider nothing about the body.
  await inspectBody(refused, headerOf(forwarded.headers, 'content-type'), call, upload)
  const length = headerOf(call.rawHeaders, 'content-length')
  return {
    offer,
    with(accessToken) {
      const body = upload.open()
      const isStream = body !== undefined && !Buffer.isBuffer(body)
      const token = accessToken.reveal()
      return {
        method: call.method,
        origin: target,
        path: call.path + call.query,
        headers: [
          ...forwarded.headers,
          // Of bytes that are at hand the length is known better than by what the agent said.
          ...(isStream && length !== undefined ? ['content-length', length] : []),
          credential.name.toLowerCase(),
          credential.scheme === '' ? token : `${credential.scheme} ${token}`,
        ],
        ...(body !== undefined && { body }),
      }
    },
  }
}

async function inspectBody(
  names: readonly string[],
  contentType: string | undefined,
  call: ProxyCall,
  upload: Upload,
): Promise<void> {
  if (call.body === undefined) return
  const beginning = await upload.beginning(firstBytesWanted)
  const isMixed = /^multipart\/mixed\b/i.test(contentType?.trim() ?? '')
  if (!isMixed && !bodyNeedsInspection(contentType, beginning)) return
  const body = await upload.whole(inspectedBytes)
  if (body === undefined) {
    throw new Failure(
      'payload_too_large',
      'A body that may hold parameters (JSON, a form, multipart) is read whole and may have 1 MiB at most. Send less, or the file as it is.',
    )
  }
  if (isMixed && holdsRequests(body)) {
    const [detail, fix] = ['The body holds several calls in one.', 'Send the calls singly.']
    const reasons = [{ code: 'operation_not_permitted', detail, fix }] as const
    throw new Failure('operation_not_permitted', `${detail} ${fix}`, { reasons })
  }
  refuseParameter(findCredentialParameter({ ...(contentType !== undefined && { contentType }), body }, names))
}

/** A batch, on whatever path: each part is a request of its own, which nobody judged (RFC 9112 section 10.2). */
function holdsRequests(body: Buffer): boolean {
  return /content-type[ \t]*:[ \t\r\n]*"?application\/http\b/i.test(body.toString('latin1'))
}

function refuseParameter(found: FoundParameter | undefined): void {
  if (found === undefined) return
  if (found.where === 'charset') {
    throw invalid('/headers/content-type', 'This charset is not read here. Send the body as UTF-8.')
  }
  const where = found.where === 'query' ? '/query' : '/body'
  if (overrideParameters.includes(found.name)) {
    throw invalid(
      `${where}/${found.name}`,
      `The parameter ${found.name} can turn a call into another one. Send the method and the headers that are meant.`,
    )
  }
  throw invalid(
    `${where}/${found.name}`,
    `The parameter ${found.name} carries a credential. Leave it out: Valetkey puts the credential in.`,
  )
}

/** The value of a header that may stand there once; repeated ones were refused before. */
export function headerOf(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === name) return rawHeaders[i + 1]
  }
  return undefined
}
