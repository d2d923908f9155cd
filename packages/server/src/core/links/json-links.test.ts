import { describe, expect, it } from 'vitest'
import { rewriteJsonLinks } from './json-links.ts'
import type { RewriteLink } from './rewrite-link.ts'

const rewrite: RewriteLink = (reference, declared) => {
  const url = URL.parse(reference, 'https://acme.example/v1/')
  return url?.host === 'acme.example' ? `https://v.example/~${declared ?? url.host}${url.pathname}` : undefined
}
const of = (text: string, ...pointers: string[]) => {
  const fields = pointers.map(pointer => ({ pointer }))
  const done = rewriteJsonLinks(Buffer.from(text), fields, rewrite)
  return done === undefined ? undefined : { text: done.body.toString(), removed: done.removed }
}

describe('links in the fields that an operation names (P7)', () => {
  it('are rewritten, and no other byte is touched', () => {
    const text =
      ' {"id":12345678901234567890, "paging":{"next":{"after":"a","link":"https:\\/\\/acme.example\\/a"}},"b":[1.50,{}, []] }\n'
    expect(of(text, '/paging/next/link')?.text).toBe(
      text.replace('"https:\\/\\/acme.example\\/a"', '"https://v.example/~acme.example/a"'),
    )
    expect(of(text, '/paging/link')?.text).toBe(text)
  })

  it('are found by pointer with ~0 and ~1, by star in arrays and objects, escaped names and duplicates', () => {
    expect(of('{"a/b":{"~":"/x"}}', '/a~1b/~0')?.text).toBe('{"a/b":{"~":"https://v.example/~acme.example/x"}}')
    expect(of('{"f":[{"u":"/1"},{"v":"/2"},{"u":"/3"}]}', '/f/*/u')?.text).toBe(
      '{"f":[{"u":"https://v.example/~acme.example/1"},{"v":"/2"},{"u":"https://v.example/~acme.example/3"}]}',
    )
    expect(of('{"e":{"x":"/1","y":"/2"}}', '/e/*')?.text).toBe(
      '{"e":{"x":"https://v.example/~acme.example/1","y":"https://v.example/~acme.example/2"}}',
    )
    expect(of('{"\\u0061":"/1","a":"/2"}', '/a')?.text).toBe(
      '{"\\u0061":"https://v.example/~acme.example/1","a":"https://v.example/~acme.example/2"}',
    )
    expect(of('{"@odata.nextLink":"/2"}', '/@odata.nextLink')?.text).toContain('~acme.example/2')
  })

  it('that lead elsewhere are null, and their pointer is told', () => {
    expect(of('{"a":"https://evil.example/","b":"","c":7,"d":null}', '/a', '/b', '/c', '/d')).toEqual({
      text: '{"a":null,"b":"","c":7,"d":null}',
      removed: ['/a'],
    })
  })

  it('keep the host that the field declares', () => {
    const done = rewriteJsonLinks(Buffer.from('{"u":"/a"}'), [{ pointer: '/u', host: 'files.example' }], rewrite)
    expect(done?.body.toString()).toBe('{"u":"https://v.example/~files.example/a"}')
  })

  it('are found behind a byte order mark', () => {
    expect(of('\ufeff{"a":"/1"}', '/a')?.text).toBe('\ufeff{"a":"https://v.example/~acme.example/1"}')
  })

  it.each([
    '',
    '{',
    '{"a"',
    '{"a":',
    '{"a":"/1"',
    '{"a":"/1"}}',
    '{"a":"\\x"}',
    '<html>"a"',
    '[1,,2]',
    '{1:2}',
    '{"a":"/1",}',
    `${'['.repeat(300)}`,
  ])('of what is no JSON are not looked for: %s', text => {
    expect(of(text, '/a', '/0')).toBeUndefined()
  })

  it('are looked for only where a name of a field stands, or may be hidden', () => {
    expect(of('{"data":[1,2', '/paging/next/link')).toEqual({ text: '{"data":[1,2', removed: [] })
    expect(of('{"link":[1,2', '/paging/next/link')).toBeUndefined()
    expect(of('{"lin\\u006b":[1,2', '/paging/next/link')).toBeUndefined()
    expect(rewriteJsonLinks(Buffer.from('{"link":"/a"}', 'utf16le'), [{ pointer: '/link' }], rewrite)).toBeUndefined()
  })

  it('are looked for in JSON that is no object too', () => {
    for (const text of ['"a"', '7', 'null', '[]', ' [1, "b"] ']) expect(of(text, '/a')?.text).toBe(text)
    expect(of('["/1"]', '/0')?.text).toBe('["https://v.example/~acme.example/1"]')
  })
})
