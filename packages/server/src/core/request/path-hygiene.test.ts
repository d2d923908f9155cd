import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPath } from './path-hygiene.ts'

describe('a path that goes up (row 22, P7)', () => {
  it.each([
    ['/', []],
    ['/a', ['a']],
    ['/a/', ['a']],
    ['/drive/v3/files/1aB_-~', ['drive', 'v3', 'files', '1aB_-~']],
    ['/api/conversations.list', ['api', 'conversations.list']],
    ['/a/...', ['a', '...']],
    ['/a/.hidden/b..c', ['a', '.hidden', 'b..c']],
    ['/@scope/pkg', ['@scope', 'pkg']],
    ['/me@example.com/messages', ['me@example.com', 'messages']],
    ["/Users('a')/$count;v=1,2", ["Users('a')", '$count;v=1,2']],
    ['/v1/things:search', ['v1', 'things:search']],
    ['/caf%C3%A9/%E4%BD%A0', ['café', '你']],
    ['/100%25/x', ['100%', 'x']],
    ['/a%20b', ['a b']],
    ['/%3Fq%23', ['?q#']],
  ])('%s is taken byte for byte', (path, segments) => {
    expect(checkPath(path)).toEqual({ ok: true, path, segments })
  })

  it.each([
    '',
    'a',
    '*',
    'https://evil.example/',
    'evil.example:443',
    '//evil.example/',
    '///',
    '/a//b',
    '/a//',
    '/\\evil.example',
    '\\\\evil.example',
    '/a\\..\\b',
    '/%5c%5cevil',
    '/a%5Cb',
    '/.',
    '/..',
    '/../a',
    '/a/../b',
    '/a/./b',
    '/a/..',
    '/%2e',
    '/%2e%2e/a',
    '/%2E./a',
    '/.%2e/a',
    '/..;/a',
    '/..;x=y/a',
    '/.;/a',
    '/..%20/a',
    '/%20../a',
    '/..%2fa',
    '/a%2fb',
    '/a%2Fb',
    '/%2f%2fevil',
    '/%252e%252e/a',
    '/%25%32%65/a',
    '/%2525',
    '/a%252fb',
    '/a%00',
    '/a%0d%0aX:y',
    '/a%7f',
    '/a%c2%85',
    '/a\r\nX: y',
    '/a b',
    '/a\tb',
    '/\u0000',
    '/café',
    '/\xe9',
    '/%c0%ae%c0%ae/',
    '/%e0%80%ae',
    '/%c0%af',
    '/%c1%9c',
    '/%ed%a0%80',
    '/%ff',
    '/%f8%80%80%80%ae',
    '/%EF%BC%8E%EF%BC%8E/a',
    '/%E2%80%A5/a',
    '/%',
    '/%2',
    '/%zz',
    '/%u002e',
    '/a?b',
    '/a#b',
    '/a|b',
    '/{id}',
    '/"a"',
  ])('%j is refused with a reason', path => {
    expect(checkPath(path)).toEqual({ ok: false, why: expect.stringMatching(/^(?:The|A) .+\.$/) })
  })

  it('holds an encoded slash only where the operation declares it, and no dot segment even there', () => {
    const rules = { mayEncodeSlash: true }
    expect(checkPath('/sites/https:%2F%2Fa.example%2F/x', rules)).toMatchObject({
      ok: true,
      segments: ['sites', 'https://a.example/', 'x'],
    })
    for (const path of ['/a%2f..%2fb', '/%2e%2e%2fa', '/a%5cb', '/a%252fb', '/a%2f%2e']) {
      expect(checkPath(path, rules).ok).toBe(false)
    }
  })

  const piece = fc.constantFrom(
    '.',
    '..',
    '/',
    '\\',
    '%',
    '%2',
    '2e',
    '2E',
    '%2e',
    '%2f',
    '%5c',
    '%25',
    '25',
    '5c',
    '2f',
    '%00',
    '%c0',
    '%ae',
    ';',
    ' ',
    'a',
    '%41',
    '@',
    ':',
    '%ef%bc%8e',
  )
  it('that is taken shows no dot segment, backslash or control byte, however often it is decoded', () => {
    let taken = 0
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, mayEncodeSlash) => {
        const path = `/${pieces.join('')}`
        if (!checkPath(path, { mayEncodeSlash }).ok) return
        taken++
        let form = path
        for (let round = 0; round < 6; round++) {
          expect(form).not.toMatch(/[\\\u0000-\u001f\u007f]/)
          expect(form.split('/').map(part => part.split(';')[0]!.trim())).not.toContain('..')
          expect(form.split('/').map(part => part.split(';')[0]!.trim())).not.toContain('.')
          expect(new URL(`https://api.example${form.replace(/[?#]/g, '')}`).hostname).toBe('api.example')
          form = form.replace(/(?:%[0-9a-fA-F]{2})+/g, run =>
            Buffer.from(run.replaceAll('%', ''), 'hex').toString('latin1'),
          )
        }
      }),
      { numRuns: 5_000 },
    )
    expect(taken).toBeGreaterThan(100)
  })
})
