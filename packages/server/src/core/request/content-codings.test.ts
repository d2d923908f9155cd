import { describe, expect, it } from 'vitest'
import { codingOf, identityOnly, offeredCodings } from './content-codings.ts'

const offer = (value: string) => offeredCodings(['Accept-Encoding', value])

describe('what goes up as Accept-Encoding (CONTRACT 7, RFC 9110 section 12.5.3)', () => {
  it.each([
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'gzip, br'],
    ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'gzip;q=0.8, br, identity;q=0.1'],
    ['GZip;Q=0.5,identity', 'gzip;q=0.5, identity'],
    ['x-gzip', 'gzip'],
    ['*', 'gzip, br, identity'],
    ['gzip, identity;q=0', 'gzip, identity;q=0'],
    ['gzip;q=0, br', 'br'],
  ])('is what the agent takes within gzip, br and identity: %s', (given, value) => {
    expect(offer(given).value).toBe(value)
  })

  it.each(['identity', '', 'deflate', 'gzip;q=0', 'gzip;q=0.000, br;q=0', 'gzip;q=2', 'gzip q=1', 'zstd, compress'])(
    'is identity when the agent takes none of them: "%s"',
    given => {
      expect(offer(given)).toBe(identityOnly)
    },
  )

  it('is identity when nothing was said, and for a part of an answer', () => {
    expect(offeredCodings(['Accept', 'a/b'])).toBe(identityOnly)
    expect(offeredCodings(['accept-encoding', 'gzip', 'Range', 'bytes=5-'])).toBe(identityOnly)
  })

  it('reads repeated headers as one', () => {
    expect(offeredCodings(['accept-encoding', 'gzip', 'Accept-Encoding', 'br;q=0.2'])).toEqual({
      value: 'gzip, br;q=0.2',
      codings: ['gzip', 'br'],
    })
  })
})

describe('the coding of an answer (P1)', () => {
  it('is one that was offered, or none', () => {
    expect(codingOf(['Content-Encoding', ' GZIP '], offer('gzip'))).toBe('gzip')
    expect(codingOf(['content-encoding', 'x-gzip'], offer('gzip'))).toBe('gzip')
    expect(codingOf(['content-encoding', 'br'], offer('gzip, br'))).toBe('br')
    for (const value of ['', 'identity', 'Identity'])
      expect(codingOf(['content-encoding', value, 'content-type', 'gzip'], offer('gzip'))).toBeUndefined()
    expect(codingOf(['constructor', 'gzip'], identityOnly)).toBeUndefined()
  })

  it.each([
    ['br', 'gzip'],
    ['gzip', 'identity'],
    ['deflate', 'deflate, gzip'],
    ['zstd', '*'],
    ['gzip, br', 'gzip, br'],
    ['gzip, gzip', 'gzip'],
    ['identity, gzip', 'gzip'],
    ['constructor', 'gzip'],
  ])('is refused when it was not offered or is a list: %s', (value, offered) => {
    expect(codingOf(['Content-Encoding', value], offer(offered))).toBe('unreadable')
  })

  it('is refused when it stands twice, or is one of the transfer (RFC 9112 section 7)', () => {
    expect(codingOf(['content-encoding', 'gzip', 'Content-Encoding', 'gzip'], offer('gzip'))).toBe('unreadable')
    expect(codingOf(['content-encoding', '', 'Content-Encoding', 'br'], offer('gzip'))).toBe('unreadable')
    for (const value of ['chunked', 'Chunked', ' identity '])
      expect(codingOf(['Transfer-Encoding', value], offer('gzip'))).toBeUndefined()
    for (const value of ['gzip', 'gzip, chunked', 'chunked, gzip', 'deflate', 'chunked, chunked'])
      expect(codingOf(['transfer-encoding', value], offer('gzip'))).toBe('unreadable')
  })
})
