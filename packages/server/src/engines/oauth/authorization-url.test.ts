import { expect, it } from 'vitest'
import { Secret } from '../../core/secret.ts'
import { sampleEntry, sampleProvider } from '../../core/token/sample-entry.fixture.ts'
import { authorizationUrl } from './authorization-url.ts'
import type { AuthorizationRequest } from './oauth.ts'
import { codeChallengeS256, makeCodeVerifier } from './pkce.ts'

const base = 'https://sample.example'
const request: AuthorizationRequest = {
  provider: sampleProvider(base),
  clientId: 'client one',
  redirectUri: 'https://vault.example/callback/int_1?x=1&y=2',
  scopes: ['a', 'b', 'a'],
  state: 'state-1',
  codeChallenge: 'challenge-1',
}

function query(more: Partial<AuthorizationRequest>): Record<string, string> {
  return Object.fromEntries(new URL(authorizationUrl({ ...request, ...more })).searchParams)
}

it('the challenge of RFC 7636 appendix B comes out, and a verifier is 43 characters of 32 random bytes', () => {
  const verifier = new Secret('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')
  expect(codeChallengeS256(verifier)).toBe('E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
  expect(makeCodeVerifier(new Uint8Array(32)).reveal()).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(() => makeCodeVerifier(new Uint8Array(31))).toThrow(TypeError)
})

it('asks for a code with state and an S256 challenge (row 19)', () => {
  expect(query({})).toEqual({
    response_type: 'code',
    client_id: 'client one',
    redirect_uri: 'https://vault.example/callback/int_1?x=1&y=2',
    state: 'state-1',
    scope: 'a b',
    code_challenge: 'challenge-1',
    code_challenge_method: 'S256',
  })
})

it('leaves the challenge out only where the provider refuses the parameter', () => {
  const provider = sampleProvider(base, sampleEntry({ pkce: 'forbidden' }))
  expect(query({ provider })).not.toHaveProperty('code_challenge')
})

it("speaks the provider's dialect of scopes", () => {
  const commas = sampleEntry({ scopeSeparator: ',', scopeParameter: 'user_scope' })
  expect(query({ provider: sampleProvider(base, commas) })).toMatchObject({ user_scope: 'a,b' })
  const fixed = sampleProvider(base, sampleEntry({ scopesFixedAtClient: true }))
  expect(query({ provider: fixed })).not.toHaveProperty('scope')
})

it('keeps the query of an endpoint and the parameters of the entry, but neither wins over ours', () => {
  const entry = sampleEntry({
    authorizationParameters: { access_type: 'offline', state: 'theirs', include_granted_scopes: 'true' },
  })
  const provider = sampleProvider(base, entry, {
    authorizationEndpoint: `${base}/authorize?tenant=t1&state=fixed&redirect_uri=https://evil.example&code_challenge_method=plain`,
  })
  const url = new URL(authorizationUrl({ ...request, provider }))
  expect(Object.fromEntries(url.searchParams)).toMatchObject({ tenant: 't1', access_type: 'offline', state: 'state-1' })
  expect(url.searchParams.getAll('state')).toEqual(['state-1'])
  expect(url.searchParams.getAll('redirect_uri')).toEqual([request.redirectUri])
  expect(url.searchParams.getAll('code_challenge_method')).toEqual(['S256'])
  expect(url.searchParams.has('include_granted_scopes')).toBe(false)
})

it('offline access asks for consent, and a nonce goes only where OpenID is asked for', () => {
  expect(query({ scopes: ['openid', 'offline_access'], nonce: 'n-1' })).toMatchObject({
    prompt: 'consent',
    nonce: 'n-1',
  })
  expect(query({ nonce: 'n-1' })).not.toHaveProperty('nonce')
  expect(query({})).not.toHaveProperty('prompt')
})
