import { describe, expect, it } from 'vitest'
import { answerHeaders, answerTrailers } from './answer-headers.ts'

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
        'Link',
        '</a>; rel=next',
        'Location',
        '/a',
        'Set-Cookie',
        'a',
        'Valetkey-Event',
        'x',
        'X-Checksum',
        '9',
      ]),
    ).toEqual(['X-Checksum', '9'])
  })
})
