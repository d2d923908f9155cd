import { describe, expect, it } from 'vitest'
import { answerHeaders, answerTrailers, hasUnaskedEncoding } from './answer-headers.ts'

describe('headers of an answer (row 98, P1, P7)', () => {
  it('pass in order with their repetitions', () => {
    const sent = [
      'Content-Type',
      'a/b',
      'Content-Length',
      '3',
      'X-RateLimit',
      '1',
      'x-ratelimit',
      '2',
      'WWW-Authenticate',
      'Bearer',
      'ETag',
      '"1"',
    ]
    expect(answerHeaders(sent)).toEqual(sent)
  })

  it.each([
    'Set-Cookie',
    'Set-Cookie2',
    'Connection',
    'Keep-Alive',
    'Transfer-Encoding',
    'Trailer',
    'Upgrade',
    'Proxy-Authenticate',
    'Alt-Svc',
    'Strict-Transport-Security',
    'Access-Control-Allow-Origin',
    'Clear-Site-Data',
    'Refresh',
    'Location',
    'Content-Location',
    'Link',
    'X-Accel-Redirect',
    'X-Sendfile',
    'Valetkey-Error',
    'valetkey-event',
  ])('never include %s', name => {
    expect(answerHeaders([name, 'https://provider.example/', 'ETag', '"1"'])).toEqual(['ETag', '"1"'])
  })

  it('never include what Connection names', () => {
    expect(answerHeaders(['X-Hop', '1', 'Connection', 'x-hop, close', 'X-End', '2'])).toEqual(['X-End', '2'])
  })

  it('that come as trailers never frame, route or authenticate', () => {
    expect(
      answerTrailers([
        'Content-Length',
        '3',
        'Transfer-Encoding',
        'chunked',
        'Set-Cookie',
        'a',
        'Valetkey-Event',
        'x',
        'X-Checksum',
        '9',
      ]),
    ).toEqual(['X-Checksum', '9'])
  })

  it('tell an encoding that was not asked for', () => {
    expect(hasUnaskedEncoding(['Content-Encoding', 'identity'])).toBe(false)
    expect(hasUnaskedEncoding(['Content-Type', 'gzip'])).toBe(false)
    for (const value of ['gzip', 'identity, gzip', 'GZIP', 'br', 'x']) {
      expect(hasUnaskedEncoding(['content-encoding', value])).toBe(true)
    }
    expect(hasUnaskedEncoding(['content-encoding', '', 'Content-Encoding', 'br'])).toBe(true)
  })

  it('tell an encoding of the transfer that was not asked for', () => {
    for (const value of ['chunked', 'Chunked', ' identity ']) {
      expect(hasUnaskedEncoding(['Transfer-Encoding', value])).toBe(false)
    }
    for (const value of ['gzip', 'gzip, chunked', 'chunked, gzip', 'deflate', 'chunked, chunked']) {
      expect(hasUnaskedEncoding(['transfer-encoding', value])).toBe(true)
    }
    expect(hasUnaskedEncoding(['transfer-encoding', 'gzip', 'transfer-encoding', 'chunked'])).toBe(true)
    expect(hasUnaskedEncoding(['constructor', 'gzip'])).toBe(false)
  })
})
