import { allowInsecureRequests, customFetch, revocationRequest } from 'oauth4webapi'
import { answerBounds, readBoundedJson } from '../../core/token/bounded-json.ts'
import type { World } from './ask-token-endpoint.ts'
import { clientAuthentication } from './client-authentication.ts'
import { meansDeadToken } from './error-class.ts'
import type { RevokeRequest, Send } from './oauth.ts'
import { requestBody, requestHeaders } from './token-request.ts'

type Answer = Awaited<ReturnType<Send>>
type Revoked = 'revoked' | 'unsupported' | 'failed'

/**
 * Ends a token at the provider: RFC 7009, or the vendor's way by entry. `revoked` is said only when the provider said
 * that the token is dead; everything doubtful is `failed`.
 */
export async function revoke(send: Send, request: RevokeRequest, world: World): Promise<Revoked> {
  const { provider, kind } = request
  const rule = provider.entry.oauth.revocation
  const endpoint = provider.revocationEndpoint
  if (rule === undefined || endpoint === undefined || !rule.tokens.includes(kind)) return 'unsupported'
  try {
    switch (rule.method) {
      case 'rfc7009':
        return await revokeByStandard(send, request, endpoint, world)
      case 'bearer':
        return judge(await revokeByBearer(send, request, endpoint))
      case 'delete-path':
        return judge(await revokeByPath(send, request, endpoint))
    }
  } catch {
    return 'failed'
  }
}

async function revokeByStandard(send: Send, request: RevokeRequest, endpoint: string, world: World): Promise<Revoked> {
  const { provider, client, kind } = request
  const authenticate = clientAuthentication(provider, client, { now: world.clock(), random: world.random })
  if (authenticate === undefined) return 'failed'
  let answer: Answer | undefined
  const fetchKept = async (
    url: string,
    init: { readonly body?: unknown; readonly headers: Record<string, string> },
  ): Promise<Response> => {
    const parameters = init.body instanceof URLSearchParams ? init.body : new URLSearchParams()
    answer = await send({
      method: 'POST',
      url,
      headers: requestHeaders(provider.entry, init.headers),
      body: requestBody(provider.entry, parameters),
    })
    return new Response(null, { status: 200 })
  }
  await revocationRequest(
    { issuer: provider.issuer ?? endpoint, revocation_endpoint: endpoint },
    { client_id: client.clientId },
    authenticate,
    request.token.reveal(),
    {
      [allowInsecureRequests]: true,
      [customFetch]: fetchKept,
      additionalParameters: { token_type_hint: kind },
    },
  )
  return answer === undefined ? 'failed' : judge(answer)
}

function revokeByBearer(send: Send, request: RevokeRequest, endpoint: string): Promise<Answer> {
  return send({
    method: 'POST',
    url: endpoint,
    headers: {
      ...requestHeaders(request.provider.entry, {}),
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Bearer ${request.token.reveal()}`,
    },
    body: '',
  })
}

function revokeByPath(send: Send, request: RevokeRequest, endpoint: string): Promise<Answer> {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(request.token.reveal())}`
  return send({ method: 'DELETE', url: url.href, headers: { accept: 'application/json', 'user-agent': 'Valetkey' } })
}

function judge(answer: Answer): Revoked {
  const read = readBoundedJson(answer.body, answerBounds)
  const json = read.kind === 'object' ? read.value : undefined
  const error = typeof json?.error === 'string' ? json.error : undefined
  if (error !== undefined && meansDeadToken(error)) return 'revoked'
  if (error === 'unsupported_token_type') return 'unsupported'
  // Slack's kind of API answers a refusal with 200 and `ok: false`, and a test call with `revoked: false`.
  if (error !== undefined || json?.ok === false || json?.revoked === false) return 'failed'
  return answer.status >= 200 && answer.status < 300 ? 'revoked' : 'failed'
}
