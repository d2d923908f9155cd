import { describe, expect, it } from 'vitest'
import { forwardHeaders } from './request-headers.ts'

const names = (headers: string[], entryHeaders: string[] = []) => {
  const result = forwardHeaders(headers, { entryHeaders })
  if (!result.ok) throw new Error(result.why)
  return result.headers.filter((_, i) => i % 2 === 0)
}

describe('headers that go up (row 22, row 98, P7)', () => {
  it("are content, negotiation, conditions, ranges and the entry's own, in order, with identity asked for", () => {
    const sent = [
      'Content-Type',
      'a/b',
      'Accept',
      '*/*',
      'If-Match',
      '"1"',
      'Range',
      'bytes=0-1',
      'Notion-Version',
      '2026',
      'X-Other',
      'x',
      'Accept',
      'c/d',
      'Accept-Encoding',
      'gzip',
    ]
    expect(forwardHeaders(sent, { entryHeaders: ['notion-version'] })).toEqual({
      ok: true,
      headers: [
        'content-type',
        'a/b',
        'accept',
        '*/*',
        'if-match',
        '"1"',
        'range',
        'bytes=0-1',
        'notion-version',
        '2026',
        'accept',
        'c/d',
        'accept-encoding',
        'identity',
      ],
    })
  })

  it.each([
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Host',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-User',
    'X-Real-IP',
    'Via',
    'Connection',
    'Keep-Alive',
    'Transfer-Encoding',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'X-HTTP-Method',
    'X-Original-URL',
    'X-Rewrite-URL',
    'Sudo',
    'Dropbox-API-Select-User',
    'Dropbox-API-Select-Admin',
    'Impersonate-User',
    'Impersonate-Extra-Scopes',
    'X-Impersonate',
    'As-User',
    'On-Behalf-Of',
    'Stripe-Account',
    'X-Goog-User-Project',
    'X-Goog-Api-Key',
    'X-Api-Key',
    'Private-Token',
    'X-Auth-Token',
    'X-Shopify-Access-Token',
    'X-Amz-Security-Token',
    'X-Ms-Client-Principal-Id',
    'Valetkey-Event',
  ])('never include %s, even if the entry lists it', name => {
    expect(names([name, 'x'], [name.toLowerCase()])).toEqual(['accept-encoding'])
  })

  it('never include what Connection names, nor the header of the credential', () => {
    const sent = ['Connection', 'close, Accept', 'connection', 'X-Own', 'Accept', 'a', 'X-Own', 'b', 'X-Key', 'c']
    const result = forwardHeaders(sent, { entryHeaders: ['x-own', 'x-key'], credentialHeader: 'X-Key' })
    expect(result).toEqual({ ok: true, headers: ['accept-encoding', 'identity'] })
  })

  it.each(['Authorization', 'Content-Type', 'Host', 'Content-Length'])('a second %s is refused', name => {
    expect(forwardHeaders([name, '1', name.toLowerCase(), '1'], { entryHeaders: [] })).toMatchObject({
      ok: false,
      header: name.toLowerCase(),
    })
  })

  it('a compressed body is refused, because its parameters cannot be checked', () => {
    expect(forwardHeaders(['Content-Encoding', 'gzip'], { entryHeaders: [] })).toMatchObject({
      ok: false,
      header: 'content-encoding',
    })
    expect(names(['Content-Encoding', 'identity'])).toEqual(['accept-encoding'])
  })

  it('a control character in a value is refused', () => {
    expect(forwardHeaders(['Accept', 'a\r\nx: y'], { entryHeaders: [] })).toMatchObject({ ok: false, header: 'accept' })
  })

  it("get the entry's defaults where the agent sent none", () => {
    const rules = { entryHeaders: ['notion-version'], defaultHeaders: { 'notion-version': '2025', accept: 'a/b' } }
    expect(forwardHeaders(['Notion-Version', '2026'], rules)).toEqual({
      ok: true,
      headers: ['notion-version', '2026', 'accept', 'a/b', 'accept-encoding', 'identity'],
    })
  })
})
