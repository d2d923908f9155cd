import { describe, expect, it } from 'vitest'
import { rewriteLinkHeaders } from './answer-links.ts'
import type { RewriteLink } from './rewrite-link.ts'

const rewrite: RewriteLink = reference => {
  const url = URL.parse(reference, 'https://acme.example/v1/')
  return url?.host === 'acme.example' ? `https://vault.example/p${url.pathname}${url.search}` : undefined
}
const of = (...headers: string[]) => rewriteLinkHeaders(headers, () => rewrite)

describe('links in headers (P7)', () => {
  it('lead through the proxy, whatever their header is called', () => {
    expect(
      of('Location', '/a', 'content-location', 'b', 'Operation-Location', 'https://acme.example/c', 'ETag', '"/a"'),
    ).toEqual([
      'Location',
      'https://vault.example/p/a',
      'content-location',
      'https://vault.example/p/v1/b',
      'Operation-Location',
      'https://vault.example/p/c',
      'ETag',
      '"/a"',
    ])
  })

  it('are looked for only where there are any', () => {
    const headers = ['content-type', 'application/json', 'x-a', '/b', 'x-docs', 'about https://acme.example']
    const never = () => {
      throw new Error('asked for')
    }
    expect(rewriteLinkHeaders(headers, never)).toEqual(headers)
  })

  it('are taken out when they lead elsewhere, and the answer says so', () => {
    expect(
      of('Location', 'https://evil.example/', 'link', '<//evil.example>; rel=next', 'refresh', '0;url=//e.x'),
    ).toEqual(['valetkey-link-removed', 'location, link, refresh'])
    expect(of('X-Docs', 'https://docs.example/a')).toEqual(['X-Docs', 'https://docs.example/a'])
  })

  it('of a Link header are each rewritten or taken out, with what their parameters quote (RFC 8288 section 3)', () => {
    const value =
      '<https://acme.example/a?p=2>; rel="next"; title="a, <https://b>; \\"c",, </z>;rel=last , <https://evil.example/>; rel="prev"'
    expect(of('Link', value)).toEqual([
      'Link',
      '<https://vault.example/p/a?p=2>; rel="next"; title="a, <https://b>; \\"c", <https://vault.example/p/z>;rel=last',
      'valetkey-link-removed',
      'link',
    ])
    expect(of('Link', '')).toEqual([])
  })

  it.each(['https://acme.example/a; rel=next', '<https://acme.example/a', '</a>; title="b, </c>; rel=next'])(
    'of a Link header that is not of RFC 8288 are gone: %s',
    value => {
      expect(of('Link', value)).toEqual(['valetkey-link-removed', 'link'])
    },
  )

  it('of a Refresh header keep their seconds', () => {
    expect(of('Refresh', '5; url=/a')).toEqual(['Refresh', '5; url=https://vault.example/p/a'])
    expect(of('Refresh', `3;URL = '/a b'`)).toEqual(['Refresh', '3; url=https://vault.example/p/a%20b'])
    expect(of('Refresh', '7')).toEqual(['Refresh', '7'])
    expect(of('Refresh', 'soon')).toEqual(['valetkey-link-removed', 'refresh'])
  })

  it('are read in time that grows with their length alone', () => {
    const started = performance.now()
    of('Link', `<a>${'; a="'.repeat(8_000)}`, 'Refresh', `5${' '.repeat(30_000)}url${' '.repeat(30_000)}x`)
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
