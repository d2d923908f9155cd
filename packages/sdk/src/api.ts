import type { TokenSource } from './token-source.ts'
import { errorOf, ValetkeyError } from './valetkey-error.ts'

/** What calls of Valetkey's own API need. */
export interface ApiParts {
  /** The base URL, without a slash at its end. */
  readonly base: string
  readonly fetch: typeof fetch
  readonly tokens: TokenSource
  readonly timeoutMs: number
}

/** One call of the API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** Below the base URL, its segments already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  /** A creating POST: an `Idempotency-Key` goes along, so that it may be sent again when no answer came. */
  readonly creates?: boolean
  readonly signal?: AbortSignal
}

/** The answer to one call of the API. */
export interface ApiAnswer<T> {
  readonly status: number
  readonly value: T
  /** The answer repeats an earlier one; secrets are left out of it. */
  readonly isReplay: boolean
  readonly requestId: string | undefined
}

/** Calls the API with JSON, throws `ValetkeyError`, sends again only what is safe to send again. */
export async function callApi<T>(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer<T>> {
  const url = new URL(parts.base + request.path)
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers = new Headers({ accept: 'application/json', 'x-request-id': crypto.randomUUID() })
  if (request.body !== undefined) headers.set('content-type', 'application/json')
  if (request.creates === true) headers.set('idempotency-key', crypto.randomUUID())
  const isSafeAgain = request.method === 'GET' || request.creates === true
  const send = () => {
    const patience = AbortSignal.timeout(parts.timeoutMs)
    return fetchAuthorized(parts, url, {
      method: request.method,
      headers,
      redirect: 'error',
      credentials: 'omit',
      signal: request.signal === undefined ? patience : AbortSignal.any([request.signal, patience]),
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    })
  }
  const read = async () => {
    const response = await send()
    if (!response.ok) throw await errorOf(response)
    return { response, text: await response.text() }
  }
  const isOurError = (error: unknown) => ValetkeyError.is(error) || error instanceof TokenFailure
  let answered: Awaited<ReturnType<typeof read>>
  try {
    answered = await read().catch(error => {
      if (isOurError(error) || request.signal?.aborted === true || !isSafeAgain) throw error
      return read()
    })
  } catch (error) {
    if (isOurError(error) || request.signal?.aborted === true) throw error
    throw new ValetkeyError({
      code: 'unreachable',
      status: 0,
      title: 'Valetkey gave no answer',
      detail: `Valetkey at ${parts.base} gave no answer to ${request.method} ${request.path}. Check that it runs and that this URL is right.`,
      requestId: headers.get('x-request-id') ?? '',
      cause: error,
    })
  }
  const { response, text } = answered
  return {
    status: response.status,
    value: parsed<T>(text, response),
    isReplay: response.headers.get('idempotency-replayed') === 'true',
    requestId: response.headers.get('x-request-id') ?? undefined,
  }
}

/**
 * `fetch` with our token. When the answer says that the token is no longer good, a new one is obtained and the request
 * sent once more, if its body can be: such a refusal means that nothing was done. `isOurs` tells a refusal of Valetkey
 * from one of a provider behind it.
 */
export async function fetchAuthorized(
  parts: Pick<ApiParts, 'fetch' | 'tokens'>,
  url: URL,
  init: RequestInit & { readonly headers: Headers },
  isOurs: (response: Response) => boolean = () => true,
): Promise<Response> {
  const token = await tokenFrom(parts.tokens.current())
  const response = await parts.fetch(url, withToken(init, token))
  if (token === undefined || response.status !== 401 || !isOurs(response) || !saysInvalidToken(response))
    return response
  if (!isReplayable(init.body)) return response
  const next = await tokenFrom(parts.tokens.after(token))
  if (next === undefined || next === token) return response
  await response.body?.cancel()
  return parts.fetch(url, withToken(init, next))
}

/** The caller's own token function failed; its error is the cause. It is no network failure: nothing is sent again. */
class TokenFailure extends Error {}

async function tokenFrom(given: Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await given
  } catch (error) {
    if (ValetkeyError.is(error)) throw error
    throw new TokenFailure('The function that gives the access token failed.', { cause: error })
  }
}

function withToken(init: RequestInit & { readonly headers: Headers }, token: string | undefined): RequestInit {
  const headers = new Headers(init.headers)
  headers.delete('authorization')
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  return { ...init, headers }
}

/** RFC 6750 section 3.1. A browser may not see the challenge; then the status has to do. */
function saysInvalidToken(response: Response): boolean {
  const challenge = response.headers.get('www-authenticate')
  return challenge === null || challenge.includes('invalid_token')
}

function isReplayable(body: BodyInit | null | undefined): boolean {
  return (
    !(body instanceof ReadableStream) && !(typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
  )
}

function parsed<T>(text: string, response: Response): T {
  if (text === '') return undefined as T
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw new ValetkeyError({
      code: 'unexpected_answer',
      status: response.status,
      detail: `Expected JSON from Valetkey and got something else. Check that the URL is Valetkey's base URL.`,
      cause,
    })
  }
}
