import { describe, expect, it } from 'vitest'
import type { ProviderEntry } from '../catalogue/provider.ts'
import type { ResolvedProvider } from '../catalogue/resolved-provider.ts'
import { linkRewriter } from './rewrite-link.ts'

const provider = of([
  ['https://acme.example', 'https://acme.example'],
  ['https://files.acme.example', 'https://files.acme.example'],
  ['https://eu.acme.example:8443', 'http://127.0.0.1:9001'],
  ['https://us.acme.example', 'http://127.0.0.1:9001'],
])

function of(origins: readonly (readonly [string, string])[]): ResolvedProvider {
  const entry = {
    api: { origins: origins.map(([origin]) => ({ origin, pathPrefixes: ['/'] })) },
  } as unknown as ProviderEntry
  const resolved = origins.map(([origin, target]) => ({ host: new URL(origin).host, target, pathPrefixes: ['/'] }))
  return { entry, origins: resolved } as unknown as ResolvedProvider
}

const prefix = 'https://vault.example/t/a/proxy/con_1'
const rewrite = linkRewriter({
  provider,
  host: 'acme.example',
  path: '/v1/items/7?page=1',
  proxy: { prefix, isHostName: false },
})

describe('a link of an answer (P7, CONTRACT 7)', () => {
  it.each([
    ['https://acme.example/v1/items?page=2&x=%2F#end', '/~acme.example/v1/items?page=2&x=%2F#end'],
    ['https://ACME.example:443/v1', '/~acme.example/v1'],
    ['http://acme.example/v1', '/~acme.example/v1'],
    ['//files.acme.example/a', '/~files.acme.example/a'],
    ['https://eu.acme.example:8443/a', '/~eu.acme.example:8443/a'],
    ['https://us.acme.example/a', '/~us.acme.example/a'],
    ['http://127.0.0.1:9001/a', '/~eu.acme.example:8443/a'],
    ['/v1/other', '/~acme.example/v1/other'],
    ['8', '/~acme.example/v1/items/8'],
    ['?page=2', '/~acme.example/v1/items/7?page=2'],
    ['../../x', '/~acme.example/x'],
    ['https://acme.example', '/~acme.example/'],
    ['https://acme.example/~files.acme.example/a', '/~acme.example/~files.acme.example/a'],
  ])('to the provider leads through the proxy: %s', (reference, rest) => {
    expect(rewrite(reference)).toBe(prefix + rest)
  })

  it('means the host that its field declares when both are one target, else its own', () => {
    expect(rewrite('http://127.0.0.1:9001/a', 'us.acme.example')).toBe(`${prefix}/~us.acme.example/a`)
    expect(rewrite('https://eu.acme.example:8443/a', 'us.acme.example')).toBe(`${prefix}/~us.acme.example/a`)
    expect(rewrite('https://acme.example/a', 'files.acme.example')).toBe(`${prefix}/~acme.example/a`)
    expect(rewrite('https://evil.example/a', 'files.acme.example')).toBeUndefined()
  })

  it.each([
    'https://evil.example/',
    '//evil.example',
    '\\\\evil.example',
    '/\\evil.example',
    '\t//evil.example',
    '/\t/evil.example',
    'https:\\\\evil.example',
    'https:///evil.example',
    'https://acme.example@evil.example/',
    'https://user@acme.example/',
    'https://user:pass@acme.example/',
    'https://acme.example:8443/',
    'https://acme.example.evil.example/',
    'https://acme.example./',
    'https://acme.example%2f@evil.example/',
    'https://acme.example%00.evil.example/',
    'https://evil.example#@acme.example/',
    'https://evil.example?acme.example',
    'https://evil.example\\@acme.example/',
    'https://127.0.0.1:9002/',
    'https://[::1]:9001/',
    'ftp://acme.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://',
  ])('to anywhere else is none: %s', reference => {
    expect(rewrite(reference)).toBeUndefined()
  })

  it('is always written anew, so that no other reader finds another host in it', () => {
    expect(rewrite('https:acme\\..\\x y"<z>')).toBe(`${prefix}/~acme.example/v1/items/x%20y%22%3Cz%3E`)
    expect(rewrite(' https://acme.example/a\nb')).toBe(`${prefix}/~acme.example/ab`)
    expect(rewrite('https://acme.example/%2e%2E/%2e/a')).toBe(`${prefix}/~acme.example/a`)
  })

  it('has the host-name form where the request had it; another host of the entry stays under that name', () => {
    const proxy = { prefix: 'https://con-1.proxy.example', isHostName: true }
    const rewrite = linkRewriter({ provider, host: 'files.acme.example', path: '/a', proxy })
    expect(rewrite('https://acme.example/v1?x')).toBe('https://con-1.proxy.example/v1?x')
    expect(rewrite('b')).toBe('https://con-1.proxy.example/~files.acme.example/b')
    expect(rewrite('https://acme.example/~eu.acme.example:8443/a')).toBe(
      'https://con-1.proxy.example/~acme.example/~eu.acme.example:8443/a',
    )
  })

  it('of an entry without hosts of its own means those that the operator named', () => {
    const named = { entry: { api: { origins: [] } }, origins: provider.origins } as unknown as ResolvedProvider
    const proxy = { prefix: 'https://con-1.proxy.example', isHostName: true }
    expect(linkRewriter({ provider: named, host: 'acme.example', path: '/', proxy })('/a')).toBe(
      'https://con-1.proxy.example/a',
    )
  })
})
