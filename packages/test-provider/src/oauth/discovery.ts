import { type Answer, json } from '../http/exchange.ts'
import type { ProviderState } from './provider-state.ts'

/** The metadata document (RFC 8414, OpenID Connect Discovery 1.0). */
export function metadata(state: ProviderState): Answer {
  const { surface, quirks, url } = state
  const at = (path: string | undefined) => (path === undefined ? undefined : url + path)
  return json(200, {
    issuer: quirks.has('metadata-wrong-issuer') ? 'https://another-issuer.example' : state.issuer,
    authorization_endpoint: at(surface.paths.authorize),
    token_endpoint: at(surface.paths.token),
    revocation_endpoint: at(surface.paths.revoke),
    introspection_endpoint: at(surface.paths.introspect),
    userinfo_endpoint: at(surface.paths.userinfo),
    jwks_uri: at(surface.paths.jwks),
    scopes_supported: state.scopes === 'any' ? undefined : state.scopes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [state.keys.algorithm],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
    code_challenge_methods_supported: state.pkce === 'required' || state.pkce === 'optional' ? ['S256'] : undefined,
    authorization_response_iss_parameter_supported: !quirks.has('iss-not-announced'),
    claims_supported: ['sub', 'name', 'email', 'email_verified', 'nonce', 'auth_time', 'at_hash'],
  })
}
