import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { Valetkey } from './valetkey.ts'

/**
 * `fetch` over a Unix socket (Node only), streamed both ways. The host of the URL is sent but not dialled, and no
 * redirect is followed.
 */
export function socketFetch(socketPath: string): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    request.signal.throwIfAborted()
    const url = new URL(request.url)
    const isStream = init?.body instanceof ReadableStream
    const whole = isStream || request.body === null ? undefined : Buffer.from(await request.arrayBuffer())
    const headers: Record<string, string> = { ...Object.fromEntries(request.headers), host: url.host }
    if (whole !== undefined) headers['content-length'] = String(whole.length)
    const outgoing = httpRequest({
      socketPath,
      method: request.method,
      path: url.pathname + url.search,
      headers,
      agent: false,
      signal: request.signal,
    })
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve)
      outgoing.once('error', reject)
    })
    if (isStream && request.body !== null) {
      // A failure of the body destroys the request, and that is what `answer` reports.
      pipeline(Readable.fromWeb(request.body as WebStream), outgoing).catch(() => undefined)
    } else outgoing.end(whole)
    return responseOf(await answer)
  }
}

/** The operator's client: whoever may open the socket file is the operator, so no token is sent. */
export function valetkeyAtSocket(socketPath: string): Valetkey {
  return new Valetkey({ url: 'http://localhost', fetch: socketFetch(socketPath), trustedTransport: true })
}

function responseOf(incoming: IncomingMessage): Response {
  const headers = new Headers()
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] as string, incoming.rawHeaders[at + 1] as string)
  }
  const status = incoming.statusCode ?? 502
  const isWithoutBody = status === 204 || status === 205 || status === 304
  if (isWithoutBody) incoming.resume()
  return new Response(isWithoutBody ? null : (Readable.toWeb(incoming) as ReadableStream), {
    status,
    statusText: incoming.statusMessage ?? '',
    headers,
  })
}
