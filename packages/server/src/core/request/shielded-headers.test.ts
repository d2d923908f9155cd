import { describe, expect, it } from 'vitest'
import { shieldedHeaders } from './shielded-headers.ts'

const ours = ['x-content-type-options', 'nosniff', 'content-security-policy', "sandbox; default-src 'none'"]

describe('an answer of a provider on its way to one agent', () => {
  it.each([
    [[], 'private'],
    [['public, max-age=60'], 'max-age=60, private'],
    [['max-age=60', 'PUBLIC, s-maxage=600'], 'max-age=60, private'],
    [['private="x, public", no-cache="set-cookie, etag"'], 'no-cache="set-cookie, etag", private'],
    [['no-store'], 'no-store, private'],
    [['publicly'], 'publicly, private'],
    [['x="'], 'x=", private'],
  ])('with Cache-Control %j is for no shared cache', (sent, said) => {
    const headers = sent.flatMap(value => ['Cache-Control', value])
    expect(shieldedHeaders(['ETag', '"1"', ...headers, 'Age', '3'], 200)).toEqual([
      ...['ETag', '"1"', 'Age', '3', 'cache-control', said],
      ...ours,
    ])
  })

  it.each(['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control'])(
    'tells no cache in front of us by %s to keep it',
    name => {
      expect(shieldedHeaders([name, 'max-age=60'], 200)).toEqual(['cache-control', 'private', ...ours])
    },
  )

  it('is no page of ours, whatever the provider says of its own (row 105)', () => {
    const sent = ['Content-Security-Policy', "script-src 'unsafe-inline'", 'X-Content-Type-Options', 'none']
    expect(shieldedHeaders(sent, 200)).toEqual(['cache-control', 'private', ...ours])
  })

  it('has a length but where no body can follow', () => {
    expect(shieldedHeaders(['Content-Length', '30'], 204)).not.toContain('Content-Length')
    for (const status of [200, 304, 404])
      expect(shieldedHeaders(['Content-Length', '30'], status)).toContain('Content-Length')
  })
})
