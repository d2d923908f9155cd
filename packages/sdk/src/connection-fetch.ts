import { type ApiParts, fetchAuthorized } from './api.ts'
import { errorOf } from './valetkey-error.ts'

/** How refusals of Valetkey come back. */
export interface ConnectionFetchOptions {
  /** `false`: a refusal of Valetkey is the `Response` as it is, told by its header `Valetkey-Error`. */
  readonly throwOnDenied?: boolean
}

/**
 * `fetch` through one connection: the same arguments and the same `Response`, streamed both ways, sent by Valetkey with
 * the owner's credential. A path is a path at the provider's first origin; an absolute URL of the provider keeps its
 * host, and the server decides whether that host belongs to the connection. Any `Authorization` of the caller is
 * replaced. Errors of the provider are ordinary responses; refusals of Valetkey are thrown as `ValetkeyError`.
 */
export type ConnectionFetch = (
  input: string | URL | Request,
  init?: RequestInit & ConnectionFetchOptions,
) => Promise<Response>

/** Makes the `fetch` of one connection. */
export function connectionFetch(
  parts: ApiParts,
  connection: string,
  options: ConnectionFetchOptions = {},
): ConnectionFetch {
  return async (input, given = {}) => {
    const { throwOnDenied = options.throwOnDenied ?? true, ...init } = given
    const request = input instanceof Request ? input : undefined
    const url = proxyUrl(parts.base, connection, request?.url ?? String(input))
    const headers = new Headers(init.headers ?? request?.headers)
    if (!headers.has('x-request-id')) headers.set('x-request-id', crypto.randomUUID())
    const body = init.body ?? request?.body
    const signal = init.signal ?? request?.signal
    const sent: RequestInit & { headers: Headers; duplex?: 'half' } = {
      ...(request !== undefined && { redirect: request.redirect }),
      ...init,
      method: init.method ?? request?.method ?? 'GET',
      headers,
      credentials: 'omit',
      ...(body !== null && body !== undefined && { body }),
      ...(signal !== null && signal !== undefined && { signal }),
      ...(isStream(body) && { duplex: 'half' as const }),
    }
    const response = await fetchAuthorized(parts, url, sent, isRefusal)
    if (throwOnDenied && isRefusal(response)) throw await errorOf(response)
    return response
  }
}

/** Only Valetkey sets this header; it strips it from what a provider answers. */
function isRefusal(response: Response): boolean {
  return response.status >= 400 && response.headers.has('valetkey-error')
}

/**
 * Where a path or an absolute URL of the provider lies behind the proxy. The path may not climb: behind the same origin
 * stand other connections and Valetkey's own API, and whoever wrote the path must not reach them with this token.
 */
export function proxyUrl(base: string, connection: string, target: string): URL {
  if (!/^[\w.-]+$/.test(connection) || /^\.+$/.test(connection)) {
    throw new TypeError('Expected the id of a connection, or of a provider.')
  }
  const root = `${base}/proxy/${connection}`
  const absolute = /^[a-z][a-z0-9+.-]*:/i.test(target) ? new URL(target) : undefined
  if (absolute?.href.startsWith(`${root}/`)) return withoutFragment(absolute)
  if (absolute !== undefined) {
    if (absolute.protocol !== 'https:' && absolute.protocol !== 'http:') {
      throw new TypeError(`Expected a path or an http(s) URL of the provider, not ${absolute.protocol}`)
    }
    if (absolute.username !== '' || absolute.password !== '') {
      throw new TypeError('A URL with credentials in it is not sent. Leave them out: the connection has its own.')
    }
    if (absolute.origin === new URL(base).origin) {
      throw new TypeError('This URL is one of Valetkey, but not of this connection. Pass a path at the provider.')
    }
    return withoutFragment(new URL(`${root}/~${absolute.host}${absolute.pathname}${absolute.search}`))
  }
  const [beforeFragment = ''] = target.split('#', 1)
  const [path = ''] = beforeFragment.split('?', 1)
  if (!path.startsWith('/') || path.startsWith('//')) {
    throw new TypeError(
      'Expected a path that begins with one slash, as /api/users.info, or an absolute URL of the provider.',
    )
  }
  if (/[\\\p{Cc}]/u.test(beforeFragment) || /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(path)) {
    throw new TypeError('The path may not hold ".", ".." as a segment, backslashes or control characters.')
  }
  return new URL(root + beforeFragment)
}

function withoutFragment(url: URL): URL {
  url.hash = ''
  return url
}

function isStream(body: unknown): boolean {
  return body instanceof ReadableStream || (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
}
