import { json } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { authorize, decide } from './authorize.ts'
import { withBearer } from './bearer.ts'
import { metadata } from './discovery.ts'
import { claimsOf } from './id-token.ts'
import type { ProviderState } from './provider-state.ts'
import { introspect, revoke } from './revocation.ts'
import { token } from './token-endpoint.ts'

/** The OAuth and OpenID Connect endpoints, under the paths of the surface. */
export function oauthRoutes(state: ProviderState): readonly Route[] {
  const { paths } = state.surface
  const routes: Route[] = [
    { method: 'GET', pattern: paths.authorize, endpoint: 'authorize', handle: exchange => authorize(state, exchange) },
    { method: 'POST', pattern: paths.authorize, endpoint: 'authorize', handle: exchange => decide(state, exchange) },
    { method: 'POST', pattern: paths.token, endpoint: 'token', handle: exchange => token(state, exchange) },
  ]
  if (paths.revoke !== undefined) {
    routes.push({
      method: 'POST',
      pattern: paths.revoke,
      endpoint: 'revoke',
      handle: exchange => revoke(state, exchange),
    })
  }
  if (paths.introspect !== undefined) {
    routes.push({
      method: 'POST',
      pattern: paths.introspect,
      endpoint: 'introspect',
      handle: exchange => introspect(state, exchange),
    })
  }
  if (paths.userinfo !== undefined) {
    const userinfo = withBearer(state, ['openid'], (_exchange, _params, access) =>
      json(200, { sub: access.family.userId, ...claimsOf(state, access) }, { 'cache-control': 'no-store' }),
    )
    for (const method of ['GET', 'POST']) {
      routes.push({ method, pattern: paths.userinfo, endpoint: 'userinfo', handle: userinfo })
    }
  }
  if (paths.jwks !== undefined) {
    routes.push({
      method: 'GET',
      pattern: paths.jwks,
      endpoint: 'jwks',
      handle: async () => json(200, await state.keys.jwks()),
    })
  }
  if (paths.isDiscoverable) {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      routes.push({
        method: 'GET',
        pattern: `/.well-known/${name}`,
        endpoint: 'discovery',
        handle: () => metadata(state),
      })
    }
  }
  return routes
}
