import { describe, expect, test } from 'vitest'
import { agentScopes } from '../../core/client.ts'
import type { Failure } from '../../core/failure.ts'
import { type ClientInput, checkClientInput, urlFault } from './check-client-input.ts'
import { cleanJwks } from './clean-jwks.ts'

const check = (input: Partial<ClientInput>) =>
  checkClientInput({ kind: 'agent', name: 'digest', ...input } as ClientInput, permission =>
    permission === 'bad' ? 'No such permission.' : undefined,
  )

function pointers(input: Partial<ClientInput>): string[] {
  try {
    check(input)
    return []
  } catch (failure) {
    return (failure as Failure).more.errors!.map(({ pointer }) => pointer)
  }
}

const ec = {
  kty: 'EC',
  crv: 'P-256',
  x: Buffer.alloc(32, 1).toString('base64url'),
  y: Buffer.alloc(32, 2).toString('base64url'),
}
const rsa = { kty: 'RSA', n: Buffer.alloc(256, 255).toString('base64url'), e: 'AQAB' }
const ed = { kty: 'OKP', crv: 'Ed25519', x: Buffer.alloc(32, 3).toString('base64url') }

describe('the input of a client', () => {
  test('an agent has the scopes of the contract, and its default way is client_secret_basic', () => {
    expect(check({})).toEqual({
      name: 'digest',
      scopes: [...agentScopes],
      returnToUrls: [],
      redirectUris: [],
      authenticationMethod: 'client_secret_basic',
    })
  })

  test('every fault is reported at once, each with its pointer', () => {
    expect(
      pointers({
        name: ' ',
        scopes: ['users:read'],
        redirectUris: ['http://example.com', 'https://ok.example'],
        authenticationMethod: 'private_key_jwt',
        ceiling: ['good', 'bad'],
      }),
    ).toEqual(['/name', '/scopes', '/redirect_uris/0', '/ceiling/1', '/jwks'])
  })

  test('an app has scopes of an app and nothing of an agent', () => {
    expect(pointers({ kind: 'app', scopes: ['users:read', 'tasks:write'] })).toEqual([])
    for (const scope of [
      'clients:write',
      'integrations:admin',
      'revoke',
      'connections:use',
      'offline_access',
      'openid',
      '*',
    ])
      expect([scope, pointers({ kind: 'app', scopes: [scope] })]).toEqual([scope, ['/scopes/0']])
    expect(pointers({ kind: 'app', scopes: [] })).toEqual(['/scopes'])
    expect(
      pointers({ kind: 'app', scopes: ['users:read'], ceiling: ['good'], user: { id: 'x' }, redirectUris: [] }),
    ).toEqual(['/user', '/ceiling', '/redirect_uris'])
  })

  test('a public client is refused and told what to use', () => {
    expect(() => check({ authenticationMethod: 'none' })).toThrow(/Use client_secret_basic or private_key_jwt/)
    expect(pointers({ authenticationMethod: 'client_secret_jwt' })).toEqual(['/token_endpoint_auth_method'])
    expect(pointers({ jwks: { keys: [ec] } })).toEqual(['/jwks'])
  })
})

describe('a URL that we send a browser to', () => {
  test.each([
    'https://app.example.com/connected',
    'https://app.example.com:8443/a?b=c',
    'http://127.0.0.1:5000/cb',
    'http://127.0.0.1/cb',
    'http://[::1]:5000/cb',
  ])('may be %s', url => expect(urlFault(url)).toBeUndefined())

  test.each([
    'http://app.example.com/',
    'http://localhost:5000/cb',
    'http://127.0.0.1.evil.example/',
    'http://0.0.0.0/',
    'http://10.0.0.1/',
    'http://[::ffff:127.0.0.1]/',
    'https://user@app.example.com/',
    'https://user:pw@app.example.com/',
    'https://@app.example.com/',
    'https://app.example.com/#x',
    'https://app.example.com/#',
    'https://app.example.com\\@evil.example/',
    'https://*.example.com/',
    'https:/app.example.com/',
    'https:app.example.com/',
    'https:///app.example.com/',
    'javascript:alert(1)',
    'data:text/html,x',
    'myapp://cb',
    'file:///etc/passwd',
    '/relative',
    '//app.example.com/',
    'https://app.example.com/\n',
    ' https://app.example.com/',
    'https://app.example.com/ä',
    `https://app.example.com/${'a'.repeat(2048)}`,
    '',
  ])('may not be %j (rows 13, 91)', url => expect(urlFault(url)).toBeTypeOf('string'))
})

describe('the public keys of a client', () => {
  test('are kept by the members that we know, for one use', () => {
    const given = {
      ...ec,
      kid: 'a',
      x5u: 'https://evil.example',
      x5c: ['x'],
      jku: 'https://evil.example',
      key_ops: ['verify'],
    }
    expect(cleanJwks({ keys: [given] })).toEqual({ kind: 'clean', jwks: { keys: [{ ...ec, kid: 'a', use: 'sig' }] } })
    expect(
      cleanJwks({
        keys: [
          { ...rsa, kid: 'r', alg: 'PS256' },
          { ...ed, kid: 'o' },
        ],
      }).kind,
    ).toBe('clean')
  })

  test('with a private member are refused and said to be burnt', () => {
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) {
      const found = cleanJwks({ keys: [{ ...ec, [member]: 'x' }] })
      expect([member, found.kind === 'faulty' && found.faults[0]?.detail]).toEqual([
        member,
        expect.stringContaining('private'),
      ])
    }
  })

  test.each([
    ['no set', undefined],
    ['no keys', { keys: [] }],
    ['no list', { keys: {} }],
    ['a shared secret', { keys: [{ kty: 'oct', k: 'x' }] }],
    ['another curve', { keys: [{ ...ec, crv: 'secp256k1' }] }],
    ['a short coordinate', { keys: [{ ...ec, x: 'AQ' }] }],
    ['a short modulus', { keys: [{ ...rsa, n: Buffer.alloc(128, 255).toString('base64url') }] }],
    ['an odd exponent', { keys: [{ ...rsa, e: 'AQAD' }] }],
    ['an encryption key', { keys: [{ ...ec, use: 'enc' }] }],
    ['an algorithm of another family', { keys: [{ ...ec, alg: 'RS256' }] }],
    ['no algorithm', { keys: [{ ...ec, alg: 'none' }] }],
    [
      'two with a kid',
      {
        keys: [
          { ...ec, kid: 'a' },
          { ...ed, kid: 'a' },
        ],
      },
    ],
    ['two without kids', { keys: [ec, ed] }],
    ['eleven', { keys: Array.from({ length: 11 }, (_, n) => ({ ...ec, kid: `${n}` })) }],
  ])('are not taken: %s (row 88)', (_, jwks) => expect(cleanJwks(jwks).kind).toBe('faulty'))
})
