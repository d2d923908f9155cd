import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Overrides } from '../integration.ts'
import { entryOf } from './entries.fixture.ts'
import { checkOverrides, knownOrigins, resolveProvider } from './resolve-provider.ts'

const slack = entryOf('slack')
const drive = entryOf('google-drive')
const generic = entryOf('generic-oidc')
const resolve = (entry: typeof slack, overrides: Overrides = {}) =>
  resolveProvider(entry, { parameters: {}, overrides })

describe('a resolved provider', () => {
  it('is the entry itself without overrides', () => {
    expect(resolve(slack)).toMatchObject({
      authorizationEndpoint: 'https://slack.com/oauth/v2/authorize',
      tokenEndpoint: 'https://slack.com/api/oauth.v2.access',
      accountUrl: 'https://slack.com/api/auth.test',
      origins: [
        { host: 'slack.com', target: 'https://slack.com' },
        { host: 'files.slack.com', target: 'https://files.slack.com' },
      ],
      missing: [],
    })
  })

  it('moves every URL of a mapped origin, and reaches no host that origins does not name', () => {
    const resolved = resolve(slack, { origins: { 'https://slack.com': 'http://127.0.0.1:5002' } })
    expect(resolved).toMatchObject({
      authorizationEndpoint: 'http://127.0.0.1:5002/oauth/v2/authorize',
      tokenEndpoint: 'http://127.0.0.1:5002/api/oauth.v2.access',
      revocationEndpoint: 'http://127.0.0.1:5002/api/auth.revoke',
      accountUrl: 'http://127.0.0.1:5002/api/auth.test',
      missing: [],
    })
    expect(resolved.origins).toEqual([{ host: 'slack.com', target: 'http://127.0.0.1:5002', pathPrefixes: ['/api'] }])
  })

  it('is incomplete while an OAuth endpoint is neither mapped nor overridden', () => {
    const origins = { 'https://www.googleapis.com': 'http://127.0.0.1:5003' }
    expect(resolve(drive, { origins }).missing).toEqual([
      'overrides.authorization_endpoint',
      'overrides.token_endpoint',
      'overrides.revocation_endpoint',
      'overrides.userinfo_endpoint',
    ])
    const complete = resolve(drive, {
      origins: { ...origins, 'https://accounts.google.com': 'http://127.0.0.1:5003' },
      tokenEndpoint: 'http://127.0.0.1:5003/oauth2/token',
      revocationEndpoint: 'http://127.0.0.1:5003/oauth2/revoke',
      userinfoEndpoint: 'http://127.0.0.1:5003/oauth2/v2/userinfo',
    })
    expect(complete).toMatchObject({
      missing: [],
      authorizationEndpoint: 'http://127.0.0.1:5003/o/oauth2/v2/auth',
      tokenEndpoint: 'http://127.0.0.1:5003/oauth2/token',
      accountUrl: 'http://127.0.0.1:5003/oauth2/v2/userinfo',
    })
  })

  it('never leaves a URL at the vendor once origins are given (P7)', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(slack, drive, entryOf('gmail'), entryOf('notion'), entryOf('hubspot')),
        fc.nat(),
        (entry, seed) => {
          const named = [...knownOrigins(entry)].filter((_, index) => (seed >> index) % 2 === 1)
          const origins = Object.fromEntries(named.map(origin => [origin, 'http://127.0.0.1:9']))
          const { authorizationEndpoint, tokenEndpoint, revocationEndpoint, userinfoEndpoint, accountUrl, ...rest } =
            resolve(entry, { origins })
          const urls = [authorizationEndpoint, tokenEndpoint, revocationEndpoint, userinfoEndpoint, accountUrl]
          for (const url of [...urls, rest.introspectionEndpoint, ...rest.origins.map(origin => origin.target)]) {
            if (url !== undefined) expect(new URL(url).origin).toBe('http://127.0.0.1:9')
          }
        },
      ),
    )
  })

  it('names OAuth endpoints as entry URL and as target, userinfo not among them', () => {
    const { oauthEndpoints } = resolve(drive, {
      origins: { 'https://oauth2.googleapis.com': 'http://127.0.0.1:1' },
      tokenEndpoint: 'http://127.0.0.1:1/oauth2/token',
    })
    expect(oauthEndpoints).toEqual(
      expect.arrayContaining([
        'https://oauth2.googleapis.com/token',
        'http://127.0.0.1:1/oauth2/token',
        'http://127.0.0.1:1/revoke',
      ]),
    )
    expect(oauthEndpoints.some(url => url.includes('userinfo'))).toBe(false)
  })

  it('takes the hosts of an API behind any issuer from the keys of origins, else from the issuer', () => {
    expect(resolve(generic).missing).toEqual(['overrides.issuer'])
    expect(resolve(generic, { issuer: 'https://id.example.com/realm' }).origins).toEqual([
      { host: 'id.example.com', target: 'https://id.example.com', pathPrefixes: ['/'] },
    ])
    const mapped = resolve(generic, {
      issuer: 'https://id.example.com',
      origins: { 'https://api.example.com': 'https://10.0.0.1:8443' },
    })
    expect(mapped.origins).toEqual([{ host: 'api.example.com', target: 'https://10.0.0.1:8443', pathPrefixes: ['/'] }])
    expect(mapped.missing).toEqual([])
  })

  it('takes endpoints from discovery without a new digest, because the issuer vouches for them', () => {
    const overrides = { issuer: 'https://id.example.com' }
    const discovered = {
      issuer: 'https://id.example.com',
      authorizationEndpoint: 'https://id.example.com/authorize',
      tokenEndpoint: 'https://id.example.com/token',
      userinfoEndpoint: 'https://id.example.com/userinfo',
      jwksUri: 'https://id.example.com/jwks',
      issParameter: true,
    }
    const before = resolve(generic, overrides)
    const after = resolveProvider(generic, { parameters: {}, overrides, discovered })
    expect(after).toMatchObject({
      tokenEndpoint: 'https://id.example.com/token',
      accountUrl: 'https://id.example.com/userinfo',
      jwksUri: 'https://id.example.com/jwks',
      issParameter: true,
    })
    expect(after.oauthEndpoints).toContain('https://id.example.com/token')
    expect(after.destinationDigest).toBe(before.destinationDigest)
  })
})

describe('the digest of destinations', () => {
  const origins = [...knownOrigins(drive)]
  const targets = fc.constantFrom('http://127.0.0.1:1', 'http://127.0.0.1:2', 'https://proxy.example.com')
  const maps = fc.dictionary(fc.constantFrom(...origins), targets, { noNullPrototype: true })

  it('does not depend on the order in which origins are written (P6)', () => {
    fc.assert(
      fc.property(maps, map => {
        const turned = Object.fromEntries(Object.entries(map).reverse())
        expect(resolve(drive, { origins: turned }).destinationDigest).toBe(
          resolve(drive, { origins: map }).destinationDigest,
        )
      }),
    )
  })

  it('changes whenever any destination changes (P6)', () => {
    fc.assert(
      fc.property(maps, maps, (one, other) => {
        const isSame = JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
        const digests = [resolve(drive, { origins: one }), resolve(drive, { origins: other })].map(
          one => one.destinationDigest,
        )
        expect(digests[0] === digests[1]).toBe(isSame)
      }),
    )
    const plain = resolve(drive).destinationDigest
    for (const overrides of [
      { issuer: 'https://other.example.com' },
      { tokenEndpoint: 'https://oauth2.googleapis.com/token2' },
      { userinfoEndpoint: 'https://other.example.com/userinfo' },
      { revocationEndpoint: 'https://other.example.com/revoke' },
      { origins: {} },
    ]) {
      expect(resolve(drive, overrides).destinationDigest).not.toBe(plain)
    }
  })
})

describe('overrides', () => {
  it.each<[Overrides, string]>([
    [{ tokenEndpoint: 'ftp://a/b' }, '/overrides/token_endpoint'],
    [{ tokenEndpoint: 'javascript:alert(1)' }, '/overrides/token_endpoint'],
    [{ authorizationEndpoint: 'https://user:pw@a.example/x' }, '/overrides/authorization_endpoint'],
    [{ authorizationEndpoint: 'https://@a.example/x' }, '/overrides/authorization_endpoint'],
    [{ userinfoEndpoint: 'https://a.example/x#y' }, '/overrides/userinfo_endpoint'],
    [{ revocationEndpoint: '/relative' }, '/overrides/revocation_endpoint'],
    [{ issuer: 'https://a.example/?x=1' }, '/overrides/issuer'],
    [{ tokenEndpoint: 'https:\\\\a.example\\x' }, '/overrides/token_endpoint'],
    [{ origins: { 'https://evil.example': 'http://127.0.0.1:1' } }, '/overrides/origins/https:~1~1evil.example'],
    [{ origins: { 'https://slack.com': 'http://127.0.0.1:1/path' } }, '/overrides/origins/https:~1~1slack.com'],
    [{ origins: { 'https://slack.com': 'http://a:b@127.0.0.1:1' } }, '/overrides/origins/https:~1~1slack.com'],
    [{ origins: { 'https://slack.com/api': 'http://127.0.0.1:1' } }, '/overrides/origins/https:~1~1slack.com~1api'],
  ])('%j are refused at %s', (overrides, pointer) => {
    expect(checkOverrides(slack, overrides).map(fault => fault.pointer)).toEqual([pointer])
  })

  it('may name plain http: egress decides at use', () => {
    expect(checkOverrides(slack, { origins: { 'https://slack.com': 'http://127.0.0.1:5002' } })).toEqual([])
  })

  it('of a provider without hosts of its own may map any origin', () => {
    expect(
      checkOverrides(generic, {
        issuer: 'http://127.0.0.1:1',
        origins: { 'https://api.example.com': 'http://127.0.0.1:1' },
      }),
    ).toEqual([])
  })
})
