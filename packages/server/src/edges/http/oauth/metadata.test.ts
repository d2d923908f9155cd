import { describe, expect, test } from 'vitest'
import { Failure } from '../../../core/failure.ts'
import { challenge, challengeFor, requireScopes, wellKnownUrl } from '../challenge.ts'
import { createFailedAttempts, mostForAddress, mostForClient } from './failed-attempts.ts'
import { authorizationServerMetadata, protectedResourceMetadata } from './metadata.ts'

const baseUrl = 'https://keys.example/t/acme'

describe('metadata', () => {
  test('of the authorization server names the issuer and what exists, nothing else (rows 30, 40)', () => {
    expect(authorizationServerMetadata(baseUrl)).toEqual({
      issuer: baseUrl,
      token_endpoint: `${baseUrl}/oauth/token`,
      jwks_uri: `${baseUrl}/oauth/jwks`,
      scopes_supported: expect.arrayContaining(['connections:use', 'tasks:write', 'integrations:admin']),
      response_types_supported: [],
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'ES384', 'PS256', 'RS256', 'Ed25519', 'EdDSA'],
      protected_resources: [baseUrl, `${baseUrl}/mcp`],
    })
  })

  test('of a protected resource has its own URL, its issuer and no offline_access (rows 42, 92)', () => {
    for (const path of ['', '/mcp'] as const) {
      const document = protectedResourceMetadata(baseUrl, path)
      expect(document).toMatchObject({ resource: `${baseUrl}${path}`, authorization_servers: [baseUrl] })
      expect(document.scopes_supported).not.toContain('offline_access')
    }
  })

  test('is found by insertion between host and path (RFC 8414 section 3.1, RFC 9728 section 3.1)', () => {
    expect(wellKnownUrl(baseUrl, 'oauth-protected-resource')).toBe(
      'https://keys.example/.well-known/oauth-protected-resource/t/acme',
    )
    expect(wellKnownUrl('http://127.0.0.1:7400', 'oauth-protected-resource', '/mcp')).toBe(
      'http://127.0.0.1:7400/.well-known/oauth-protected-resource/mcp',
    )
  })
})

describe('a challenge', () => {
  test('names every missing scope at once (rows 9, 10)', () => {
    const caller = { scopes: new Set(['users:read']) }
    expect(() => requireScopes(caller, ['users:read'])).not.toThrow()
    let failure: unknown
    try {
      requireScopes(caller, ['users:read', 'users:write', 'tasks:write'])
    } catch (thrown) {
      failure = thrown
    }
    expect(failure).toMatchObject({ code: 'insufficient_scope', status: 403 })
    expect(challengeFor(failure as Failure, { baseUrl, authorization: ['Bearer x'] })).toBe(
      'Bearer error="insufficient_scope", error_description="The access token lacks scopes.", scope="users:write tasks:write", ' +
        'resource_metadata="https://keys.example/.well-known/oauth-protected-resource/t/acme"',
    )
  })

  test('is only about the caller’s own token', () => {
    const about = { baseUrl, authorization: ['Bearer x'] }
    expect(challengeFor(new Failure('grant_required', 'x'), about)).toBeUndefined()
    expect(challengeFor(new Failure('needs_reauth', 'x'), about)).toBeUndefined()
    expect(challengeFor(new Failure('unauthorized', 'x'), about)).toBe(challenge('invalid_token', { baseUrl }))
  })
})

describe('failed attempts', () => {
  test('close the door for one client and address, and for an address that tries many clients', () => {
    let now = 1_000
    const failed = createFailedAttempts(() => now)
    for (let n = 1; n <= mostForClient; n++) expect(failed.count('a', '192.0.2.1')).toBe(n)
    expect(failed.standing('a', '192.0.2.1')).toEqual({ kind: 'closed', retryAfterSeconds: 60 })
    expect(failed.standing('a', '192.0.2.2').kind).toBe('open')
    expect(failed.standing('b', '192.0.2.1').kind).toBe('open')
    for (let n = mostForClient; n < mostForAddress; n++) failed.count(`guess-${n}`, '192.0.2.1')
    expect(failed.standing('b', '192.0.2.1').kind).toBe('closed')
    now += 60_000
    expect(failed.standing('a', '192.0.2.1').kind).toBe('open')
  })

  test('count a subscriber’s whole IPv6 network as one address', () => {
    const failed = createFailedAttempts(() => 1_000)
    for (let n = 0; n < mostForClient; n++) failed.count('a', `2001:db8:1:2::${n.toString(16)}`)
    expect(failed.standing('a', '2001:db8:1:2:ffff::1').kind).toBe('closed')
    expect(failed.standing('a', '2001:db8:1:3::1').kind).toBe('open')
  })
})
