import { agentScopes, operatorScopes } from '../../../core/client.ts'
import { assertionAlgorithms } from '../../../flows/agents/clean-jwks.ts'

/** All scopes of ours. `offline_access` is not one: it is nothing that a resource asks for (row 92). */
export const allScopes: readonly string[] = [...new Set([...agentScopes, ...operatorScopes])].sort()

/**
 * Metadata of the tenant's authorization server (RFC 8414 section 2), the same at `/.well-known/oauth-authorization-server`
 * and `/.well-known/openid-configuration`. Lists what exists and nothing else (rows 30, 40).
 */
export function authorizationServerMetadata(baseUrl: string): Readonly<Record<string, unknown>> {
  return {
    issuer: baseUrl,
    token_endpoint: `${baseUrl}/oauth/token`,
    jwks_uri: `${baseUrl}/oauth/jwks`,
    scopes_supported: allScopes,
    // Required by RFC 8414. Empty: there is no authorization endpoint.
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    protected_resources: [baseUrl, `${baseUrl}/mcp`],
  }
}

/** Metadata of a protected resource of the tenant (RFC 9728 section 2); `path` is '' or '/mcp' (row 42). */
export function protectedResourceMetadata(baseUrl: string, path: '' | '/mcp' = ''): Readonly<Record<string, unknown>> {
  return {
    resource: `${baseUrl}${path}`,
    authorization_servers: [baseUrl],
    scopes_supported: path === '/mcp' ? [...agentScopes] : allScopes,
    bearer_methods_supported: ['header'],
    resource_name: path === '/mcp' ? 'Valetkey MCP' : 'Valetkey',
  }
}
