import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as it came in. */
export interface SeenRequest {
  readonly method: string
  /** Path and query, byte for byte. */
  readonly target: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** The parsed body, or undefined. */
  readonly json: unknown
}

/** An answer: JSON, or text, or what `write` does with the socket. */
export interface WireAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  /** Closes the connection without an answer. */
  readonly drop?: boolean
}

export type WireRoute = (request: SeenRequest) => WireAnswer | undefined

/** Takes a request before its body is read; true when it has answered. */
export type RawRoute = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * A small real HTTP server that speaks Valetkey's documented wire as far as a client sees it: a token endpoint with
 * `client_secret_basic`, bearer challenges, and whatever routes a test adds. It holds no rules of the product.
 */
export interface WireServer {
  readonly url: string
  readonly seen: SeenRequest[]
  /** Tokens that are good now. */
  readonly live: Set<string>
  lifetimeSeconds: number
  /** Asked first, before the token is looked at. */
  before: WireRoute | undefined
  /** Asked when the token is good. */
  route: WireRoute
  raw: RawRoute | undefined
  /** Is the caller trusted without a token, as on the operator's socket? */
  isTrusting: boolean
  close(): Promise<void>
}

/** Starts it on a loopback port of the system's choice, or on a socket file. */
export async function startWireServer(socketPath?: string): Promise<WireServer> {
  let issued = 0
  const wire: { -readonly [K in keyof WireServer]: WireServer[K] } = {
    url: '',
    seen: [],
    live: new Set(),
    lifetimeSeconds: 600,
    before: undefined,
    route: () => undefined,
    raw: undefined,
    isTrusting: false,
    close: () => closed(server),
  }
  const issue = () => {
    issued += 1
    const token = `token-${issued}`
    wire.live.add(token)
    return token
  }
  const answerTo = (request: SeenRequest): WireAnswer => {
    const early = wire.before?.(request)
    if (early !== undefined) return early
    if (request.target === '/healthz') return { json: { ok: true } }
    if (request.target === '/oauth/token') {
      if (request.headers.authorization !== `Basic ${btoa('client:secret')}`) {
        return { status: 401, json: { error: 'invalid_client', error_description: 'Unknown client or wrong secret.' } }
      }
      return { json: { access_token: issue(), token_type: 'Bearer', expires_in: wire.lifetimeSeconds } }
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (!wire.isTrusting && (token === undefined || !wire.live.has(token))) return unauthorized(token)
    if (/^\/v1\/tasks\/[^/]+\/renew$/.test(request.target)) {
      return { json: { access_token: issue(), expires_in: wire.lifetimeSeconds } }
    }
    return wire.route(request) ?? problem(404, 'not_found', 'Nothing by that id is in reach.')
  }
  const server = createServer((request, response) => {
    if (wire.raw?.(request, response) === true) return
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const seen: SeenRequest = {
        method: request.method ?? '',
        target: request.url ?? '',
        headers: request.headers as Record<string, string | undefined>,
        body,
        json: jsonOf(body),
      }
      wire.seen.push(seen)
      const answer = answerTo(seen)
      if (answer.drop === true) {
        request.socket.destroy()
        return
      }
      const text = answer.text ?? (answer.json === undefined ? '' : JSON.stringify(answer.json))
      response.writeHead(answer.status ?? 200, {
        'x-request-id': seen.headers['x-request-id'] ?? 'made',
        ...(answer.json !== undefined && { 'content-type': 'application/json' }),
        ...answer.headers,
      })
      response.end(text)
    })
  })
  await new Promise<void>(resolve =>
    socketPath === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(socketPath, resolve),
  )
  wire.url =
    socketPath === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : 'http://localhost'
  return wire
}

/** A problem document as CONTRACT 3 has it. */
export function problem(status: number, code: string, detail: string, members: object = {}): WireAnswer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'valetkey-error': code },
    json: {
      type: `https://valetkey.dev/errors/${code}`,
      title: `Title of ${code}`,
      status,
      detail,
      code,
      request_id: 'req-1',
      ...members,
    },
  }
}

function unauthorized(token: string | undefined): WireAnswer {
  const error = token === undefined ? '' : ', error="invalid_token"'
  const answer = problem(401, 'unauthorized', 'A valid access token is needed.')
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': `Bearer resource_metadata="x"${error}` } }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}
