import {
  allowInsecureRequests,
  customFetch,
  genericTokenEndpointRequest,
  processGenericTokenEndpointResponse,
} from 'oauth4webapi'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { JsonObject } from '../../core/token/bounded-json.ts'
import { normaliseAnswer } from '../../core/token/normalise-answer.ts'
import { clientAuthentication } from './client-authentication.ts'
import { errorClass } from './error-class.ts'
import type { OurClient, Send, TokenAnswer } from './oauth.ts'
import { readSendFailure } from './send-failure.ts'
import { requestBody, requestHeaders } from './token-request.ts'

/** What the client takes from the world. */
export interface World {
  readonly random: (bytes: number) => Uint8Array
  readonly clock: () => number
}

export interface TokenRequest {
  readonly provider: ResolvedProvider
  readonly client: OurClient
  readonly grantType: 'authorization_code' | 'refresh_token' | 'client_credentials'
  readonly parameters: Readonly<Record<string, string>>
  readonly now: number
  readonly beforeSend?: () => void
  /** What we sent and the answer must not repeat as an error code. */
  readonly secrets: readonly string[]
}

type Asked = { readonly kind: 'json'; readonly json: JsonObject } | Exclude<TokenAnswer, { kind: 'tokens' }>

/** Carries a verdict out of the library's fetch. */
class Verdict extends Error {
  readonly answer: Asked
  constructor(answer: Asked) {
    super('verdict')
    this.answer = answer
  }
}

/**
 * One request to a token endpoint. The strict library builds it and judges the answer; between them stands one fetch
 * that speaks the provider's dialect on the way out and brings the answer into standard form on the way in.
 */
export async function askTokenEndpoint(send: Send, request: TokenRequest, world: World): Promise<Asked> {
  const { provider, client, grantType } = request
  const { entry, tokenEndpoint } = provider
  if (tokenEndpoint === undefined) throw new TypeError('a token request wants a provider whose token endpoint is known')
  const authenticate = clientAuthentication(provider, client, { now: request.now, random: world.random })
  if (authenticate === undefined) return { kind: 'error', error: 'invalid_client', class: 'invalid_client' }
  let json: JsonObject | undefined
  const fetchNormalised = async (
    url: string,
    init: { readonly body?: unknown; readonly headers: Record<string, string> },
  ): Promise<Response> => {
    const answer = await sendOnce(send, url, init, request)
    const normal = normaliseAnswer({ ...answer, entry, grantType })
    if (normal.kind === 'refused') throw new Verdict(normal)
    const said = normal.json.error
    if (typeof said === 'string') throw new Verdict(errorAnswer(normal.status, said, request))
    json = normal.json
    // The ID token is judged elsewhere, with its signature; what is no part of RFC 6749 is not the library's matter.
    const { access_token, token_type, refresh_token, expires_in, scope } = json
    return Response.json({ access_token, token_type, refresh_token, expires_in, scope })
  }
  const server = { issuer: provider.issuer ?? tokenEndpoint, token_endpoint: tokenEndpoint }
  const us = { client_id: client.clientId }
  try {
    const response = await genericTokenEndpointRequest(
      server,
      us,
      authenticate,
      grantType,
      new URLSearchParams({ ...extraParameters(request), ...request.parameters }),
      // Whether plain http may be spoken is decided by whoever sends.
      { [allowInsecureRequests]: true, [customFetch]: fetchNormalised },
    )
    await processGenericTokenEndpointResponse(server, us, response)
  } catch (thrown) {
    if (thrown instanceof Verdict) return thrown.answer
    if (thrown instanceof TypeError || json === undefined) throw thrown
    return { kind: 'refused', why: 'the answer is not a token answer of RFC 6749 section 5.1' }
  }
  return { kind: 'json', json: json! }
}

async function sendOnce(
  send: Send,
  url: string,
  init: { readonly body?: unknown; readonly headers: Record<string, string> },
  request: TokenRequest,
): Promise<Awaited<ReturnType<Send>>> {
  const { entry } = request.provider
  const parameters = init.body instanceof URLSearchParams ? init.body : new URLSearchParams()
  let isStopped = false
  const beforeSend = (): void => {
    try {
      request.beforeSend?.()
    } catch (thrown) {
      isStopped = true
      throw thrown
    }
  }
  try {
    return await send({
      method: 'POST',
      url,
      headers: requestHeaders(entry, init.headers),
      body: requestBody(entry, parameters),
      ...(request.beforeSend !== undefined && { beforeSend }),
    })
  } catch (thrown) {
    if (isStopped) throw new Verdict({ kind: 'unreachable', why: 'stopped before anything was sent', sent: false })
    const failure = readSendFailure(thrown)
    if (failure.hasBadAnswer) throw new Verdict({ kind: 'refused', why: failure.why })
    throw new Verdict({ kind: 'unreachable', why: failure.why, sent: failure.sent })
  }
}

/** Parameters of the entry, `type=web_server` for example; never one that the grant itself speaks of. */
function extraParameters(request: TokenRequest): Record<string, string> {
  const standard = ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type']
  const extra = Object.entries(request.provider.entry.oauth.tokenParameters ?? {})
  return Object.fromEntries(extra.filter(([name]) => !standard.includes(name)))
}

function errorAnswer(status: number, said: string, request: TokenRequest): Asked {
  // An error code that repeats what we sent would carry it into logs (P1).
  const isEcho = request.secrets.some(secret => {
    const lower = secret.toLowerCase()
    return said.includes(lower) || (said.length >= 8 && lower.includes(said))
  })
  const error = isEcho ? 'unrecognised' : said
  return { kind: 'error', error, class: errorClass(status, error) }
}
