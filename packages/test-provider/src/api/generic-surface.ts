import { type Answer, empty, json } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { type AuthorizedHandler, withBearer } from '../oauth/bearer.ts'
import { type ApiRefusal, ownerOf, type ProviderState, type Surface } from '../oauth/provider-state.ts'
import { itemRoutes } from './items.ts'
import { echo, reflect, reflections } from './reflections.ts'
import { bytes, compressed, ticks } from './streams.ts'

/** OAuth 2.1 and OpenID Connect by the book, and an API to try a client or a proxy on. */
export const genericSurface: Surface = {
  vendor: 'generic',
  paths: {
    authorize: '/authorize',
    token: '/token',
    revoke: '/revoke',
    introspect: '/introspect',
    userinfo: '/userinfo',
    jwks: '/jwks',
    isDiscoverable: true,
  },
  defaults: {
    pkce: 'required',
    rotation: 'rotating',
    accessTokenSeconds: 3600,
    authMethod: 'client_secret_basic',
    quirks: [],
    scopes: ['openid', 'profile', 'email', 'offline_access', 'items:read', 'items:write'],
  },
  // Legal in a bearer token (RFC 6750 section 2.1), and each in need of an escape somewhere.
  tokenShape: { accessPrefix: 'at_', refreshPrefix: 'rt_', tokenTail: '~+/=' },
  isScopedByClient: false,
  isResponseTypeOptional: false,
  tokenMembers: () => ({}),
  errorMembers: () => ({}),
  refuseApi: (_state, refusal) => json(statusOf(refusal), { error: refusal.kind, ...membersOf(refusal) }),
  routes: state => [...itemRoutes(state), ...tryingRoutes(state)],
}

/** The HTTP status that belongs to a refusal. */
export function statusOf(refusal: ApiRefusal): number {
  switch (refusal.kind) {
    case 'no_token':
    case 'invalid_token':
    case 'expired_token':
      return 401
    case 'insufficient_scope':
      return 403
    case 'not_found':
      return 404
    case 'method_not_allowed':
      return 405
  }
}

function membersOf(refusal: ApiRefusal): Readonly<Record<string, unknown>> {
  return refusal.kind === 'insufficient_scope' ? { required_scopes: refusal.required } : {}
}

/** The routes that show what arrived, and that answer in every shape a proxy has to bear. */
function tryingRoutes(state: ProviderState): readonly Route[] {
  const route = (method: string, pattern: string, handle: AuthorizedHandler): Route => ({
    method,
    pattern,
    endpoint: 'api',
    handle: withBearer(state, [], handle),
  })
  const badRequest = (detail: string): Answer => json(400, { error: 'bad_request', error_description: detail })
  const echoing: AuthorizedHandler = (exchange, _params, token) => json(200, echo(exchange, ownerOf(token)))
  return [
    route('GET', '/api/me', (_exchange, _params, token) => {
      const user = state.users.get(token.family.userId ?? '')
      return json(200, {
        id: ownerOf(token),
        ...(user !== undefined && { email: user.email, name: user.name }),
        client: token.family.clientId,
        scopes: token.scopes,
      })
    }),
    route('*', '/api/echo', echoing),
    route('*', '/api/echo/**', echoing),
    route('*', '/api/reflect', exchange => {
      const name = exchange.query.get('as') ?? 'verbatim'
      return reflect(exchange, name) ?? badRequest(`as must be one of ${Object.keys(reflections).join(', ')}`)
    }),
    route('GET', '/api/bytes/{n}', (exchange, { n }) =>
      /^\d{1,12}$/.test(n!) ? bytes(exchange, Number(n)) : badRequest('n must be a number of bytes'),
    ),
    route('GET', '/api/slow', exchange => ticks(exchange)),
    route('*', '/api/status/{code}', ({ query }, { code }) => {
      const status = Number(code)
      if (!(status >= 200 && status <= 599)) return badRequest('code must be 200 to 599')
      const retryAfter = query.get('retry_after')
      const headers = retryAfter === null ? {} : { 'retry-after': retryAfter }
      return status === 204 || status === 304 ? empty(status, headers) : json(status, { status }, headers)
    }),
    route('*', '/api/redirect', ({ query }) => {
      const to = query.get('to')
      const status = Number(query.get('status') ?? 302)
      if (to === null || /[\r\n]/.test(to)) return badRequest('to must be an address')
      if (![301, 302, 303, 307, 308].includes(status)) return badRequest('status must be 301, 302, 303, 307 or 308')
      return empty(status, { location: to })
    }),
    route('GET', '/api/gzip', (exchange, _params, token) => compressed(exchange, { owner: ownerOf(token) })),
    route('*', '/api/headers', ({ query }) => {
      const headers: Record<string, string[]> = {}
      for (const [name, value] of query) headers[name.toLowerCase()] = [...(headers[name.toLowerCase()] ?? []), value]
      return json(200, { headers }, headers)
    }),
  ]
}
