import { randomUUID } from 'node:crypto'
import { statusOf } from '../api/generic-surface.ts'
import { type Answer, empty, json } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import type { ApiRefusal, OAuthRefusal, ProviderState, Surface } from '../oauth/provider-state.ts'
import { accountOf } from './hubspot-account.ts'
import { hubSpotRoutes } from './hubspot-api.ts'
import { hubSpotError } from './hubspot-error.ts'

/** HubSpot: form posts with the secret in the body, half-hour tokens, static refresh tokens, no scope in the answer. */
export const hubSpotSurface: Surface = {
  vendor: 'hubspot',
  paths: { authorize: '/oauth/authorize', token: '/oauth/v1/token', isDiscoverable: false },
  defaults: {
    pkce: 'optional',
    rotation: 'static',
    accessTokenSeconds: 1800,
    authMethod: 'client_secret_post',
    quirks: ['scope-missing'],
    scopes: [
      'oauth',
      ...['contacts', 'companies', 'deals'].flatMap(type => [`crm.objects.${type}.read`, `crm.objects.${type}.write`]),
      'crm.objects.owners.read',
      'sales-email-read',
      'tickets',
    ],
  },
  tokenShape: { accessPrefix: 'CP', refreshPrefix: 'na1-', tokenTail: '' },
  isScopedByClient: false,
  isResponseTypeOptional: true,
  tokenMembers(state, family) {
    const account = accountOf(state, family.userId ?? '')
    return {
      token_type: state.quirks.has('token-type-nonstandard') ? 'bot' : 'bearer',
      ...(account !== undefined && { hub_id: account.hubId, user_id: account.userId }),
    }
  },
  errorMembers: (_state, refusal, exchange) => ({
    status: hubSpotStatus(refusal, exchange.body.includes('refresh_token')),
    message: refusal.detail,
    correlationId: randomUUID(),
  }),
  refuseApi: (_state, refusal) => hubSpotRefusal(refusal),
  routes: state => [...tokenRoutes(state), ...hubSpotRoutes(state)],
}

function hubSpotStatus(refusal: OAuthRefusal, isRefresh: boolean): string {
  if (refusal.error === 'invalid_client') return 'BAD_CLIENT_ID'
  if (refusal.error !== 'invalid_grant') return 'BAD_REQUEST'
  return isRefresh ? 'BAD_REFRESH_TOKEN' : 'BAD_AUTH_CODE'
}

function hubSpotRefusal(refusal: ApiRefusal): Answer {
  const status = statusOf(refusal)
  switch (refusal.kind) {
    case 'no_token':
      return hubSpotError(status, 'INVALID_AUTHENTICATION', 'Authentication credentials not found.')
    case 'invalid_token':
      return hubSpotError(status, 'INVALID_AUTHENTICATION', 'Authentication credentials not valid.')
    case 'expired_token':
      return hubSpotError(status, 'EXPIRED_AUTHENTICATION', 'The OAuth token used to make this call has expired.')
    case 'insufficient_scope':
      return hubSpotError(
        status,
        'MISSING_SCOPES',
        "This app hasn't been granted all required scopes to make this call.",
        {
          errors: [
            {
              message: 'One or more of the following scopes are required.',
              context: { requiredGranularScopes: refusal.required },
            },
          ],
        },
      )
    case 'not_found':
      return hubSpotError(status, 'OBJECT_NOT_FOUND', 'resource not found')
    case 'method_not_allowed':
      return hubSpotError(status, 'METHOD_NOT_ALLOWED', 'this method is not offered here')
  }
}

/** HubSpot names tokens in the path: what an access or refresh token is, and taking a refresh token back. */
function tokenRoutes(state: ProviderState): readonly Route[] {
  const unknown = () => hubSpotError(404, 'OBJECT_NOT_FOUND', 'the token is unknown or expired')
  const describe = (userId: string | undefined, clientId: string, scopes: readonly string[]) => {
    const account = accountOf(state, userId ?? '')
    return {
      user: state.users.get(userId ?? '')?.email ?? null,
      hub_domain: account === undefined ? null : `${account.owner.firstName.toLowerCase()}.example`,
      scopes,
      hub_id: account?.hubId ?? null,
      app_id: 1,
      user_id: account?.userId ?? null,
      client_id: clientId,
    }
  }
  return [
    {
      method: 'GET',
      pattern: '/oauth/v1/access-tokens/{token}',
      endpoint: 'introspect',
      handle(_exchange, { token }) {
        const found = state.tokens.liveAccess(token!)
        if (found === undefined) return unknown()
        const left = Math.floor((found.expiresAt - state.clock.now()) / 1000)
        const { userId, clientId } = found.family
        return json(200, {
          token: found.value,
          ...describe(userId, clientId, found.scopes),
          ...(Number.isFinite(left) && { expires_in: left }),
          token_type: 'access',
        })
      },
    },
    {
      method: 'GET',
      pattern: '/oauth/v1/refresh-tokens/{token}',
      endpoint: 'introspect',
      handle(_exchange, { token }) {
        const found = state.tokens.refresh.get(token!)
        if (found === undefined || !state.tokens.isRefreshLive(found)) return unknown()
        const { userId, clientId } = found.family
        return json(200, {
          token: found.value,
          ...describe(userId, clientId, found.scopes),
          token_type: 'refresh',
        })
      },
    },
    {
      method: 'DELETE',
      pattern: '/oauth/v1/refresh-tokens/{token}',
      endpoint: 'revoke',
      handle(_exchange, { token }) {
        const found = state.tokens.refresh.get(token!)
        if (found === undefined || !state.tokens.isRefreshLive(found)) return unknown()
        // As at the vendor, access tokens made from it live on until they expire.
        found.isRevoked = true
        state.tokens.stats.revocations += 1
        return empty(204)
      },
    },
  ]
}
