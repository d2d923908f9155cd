import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyNeedsInspection } from './body-kind.ts'
import { findCredentialParameter } from './credential-parameters.ts'

const listed = ['token', 'access_token', 'key']
const form = 'application/x-www-form-urlencoded'
const inQuery = (query: string) => findCredentialParameter({ query }, listed)
const inBody = (body: string | Buffer, contentType?: string) => {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  // What is not read whole is never searched, so finding is only worth something together with this.
  if (!bodyNeedsInspection(contentType, bytes.subarray(0, 1_024))) return undefined
  return findCredentialParameter({ body: bytes, ...(contentType !== undefined && { contentType }) }, listed)
}
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()

describe('a credential parameter is found (row 22, P7)', () => {
  it.each([
    'token=x',
    '?token=x',
    'a=1&token=x',
    'token',
    'token&a',
    'TOKEN=x',
    'Access_Token=x',
    't%6fken=x',
    '%74%6F%6b%65%6E=x',
    't%256fken=x',
    '%u0074oken=x',
    'token[]=x',
    'token[0]=x',
    'token%5B%5D=x',
    'token[a][b]=x',
    'access.token=x',
    'access+token=x',
    'access%20token=x',
    'access[token=x',
    '+token=x',
    `${'+'.repeat(9_000)}token=x`,
    'token%00=x',
    'token%00a=x',
    'a=1;token=x',
    'a=1&amp;token=x',
    'a=1&&token=x',
    'a=1&a=2&token=x&token=y',
    '%EF%BD%94oken=x',
    'to%E2%84%AAen=x',
    'acce%C5%BFs_token=x',
    'to%E2%80%8Bken=x',
  ])('in the query %s', query => {
    expect(inQuery(query)).toMatchObject({ where: 'query' })
  })

  it.each([
    [form, 'a=1&token=x'],
    [`${form}; charset=UTF-8`, '%74oken=x'],
    ['Application/X-WWW-Form-URLencoded', 'token'],
    ['text/plain', 'token=x'],
    ['text/plain', 'a=1&token=x'],
    ['application/octet-stream', 'a=1&token=x'],
    ['application/json', 'a=1&token=x'],
    ['application/xml', 'token=x'],
    [undefined, 'token=x'],
    [undefined, '\r\n token=x'],
    [undefined, '\ufefftoken=x'],
    [undefined, '[a]=1&token=x'],
    ['text/plain', 'a\u0000=1&token=x'],
    [form, `${'a'.repeat(3_000)}&token=x`],
    ['text/plain', `${'a'.repeat(3_000)}&token=x`],
  ])('in a form sent as %s: %j', (type, body) => {
    expect(inBody(body, type)).toMatchObject({ where: 'form' })
  })

  it.each([
    ['application/json', '{"token":"x"}'],
    ['application/json', '{"a":{"b":[1,"}"]},"token":1}'],
    ['application/json', '{"token":1,"token":2}'],
    ['application/json', '{"a":1, "to\\u006ben":1}'],
    ['application/json', '{"\\u0074\\u006F\\u006b\\u0065\\u006e":1}'],
    ['application/json', '{"TOKEN":1}'],
    ['application/json', '{"Acce\u017fs_To\u212aen":1}'],
    ['application/json', '\ufeff \n{"token":1}'],
    ['application/json', '[{"a":1},{"token":1}]'],
    ['application/json', '{"a":1}\n{"token":1}'],
    ['application/json', "{'token':1}"],
    ['application/json', '{token:1}'],
    ['application/json', '{"a":1;token=1}'],
    ['application/json', '{/* {" */"a":1,// "\n"token":1}'],
    ['application/json', '# "\n{"token":1}'],
    ['application/json', '{"a":"\\"","token":1}'],
    ['application/json', '{"a":"\\\\","token":1}'],
    ['application/vnd.api+json; charset=utf-8', '{"token":1}'],
    ['text/plain', '{"token":1}'],
    [form, '{"token":1}'],
    ['application/octet-stream', '\n\t{ "token":1}'],
    ['image/png', '{"token":1}'],
    [undefined, '{"token":1}'],
    [undefined, '{"token":'],
  ])('in JSON sent as %s: %s', (type, body) => {
    expect(inBody(body, type)).toMatchObject({ where: 'json' })
  })

  it.each([
    ['UTF-16, little end first', Buffer.from('{"∀":1,"token":1}', 'utf16le')],
    ['UTF-16 with its mark', Buffer.from('\ufeff{"token":1}', 'utf16le')],
    ['UTF-16, big end first', utf16be('{"∀":1,"token":1}')],
    ['UTF-32', Buffer.from([...'{"token":1}'].flatMap(char => [0, 0, 0, char.charCodeAt(0)]))],
    ['UTF-32, little end first', Buffer.from([...'{"token":1}'].flatMap(char => [char.charCodeAt(0), 0, 0, 0]))],
  ])('in %s', (_, body) => {
    for (const type of ['application/json', 'text/plain', undefined])
      expect(inBody(body, type)).toMatchObject({ where: 'json' })
  })

  const part = (disposition: string, type = 'multipart/form-data; boundary=b') =>
    [type, `--b\r\n${disposition}\r\n\r\nx\r\n--b--\r\n`] as const
  it.each([
    part('Content-Disposition: form-data; name="token"'),
    part('content-disposition:form-data;name=token'),
    part('Content-Disposition: form-data; filename="a"; name = "Token"'),
    part('Content-Disposition: form-data;\r\n name="token"'),
    part('Content-Type: a/b\r\nContent-Disposition: form-data; name="token[]"'),
    part('Content-Disposition: form-data; name="t%6fken"'),
    part('Content-Disposition: form-data; name="tok\\en"'),
    part("Content-Disposition: form-data; name*=utf-8''t%6Fken"),
    part('Content-Disposition: form-data; name*0="to"; name*1="ken"'),
    part('Content-Disposition: form-data; name="=?utf-8?B?dG9rZW4=?="'),
    part('Content-Disposition: form-data; name="a"; name="token"'),
    part('Content-Disposition: form-data; name="token"', 'multipart/form-data'),
    part('Content-Disposition: form-data; name="token"', 'multipart/form-data; boundary=other'),
    part('Content-Disposition: form-data; name="token"', 'multipart/mixed; boundary=b'),
    part('Content-Disposition: form-data; name="token"', 'text/plain'),
    part('Content-Disposition: form-data; name="token"', 'application/octet-stream'),
    [
      'multipart/form-data; boundary=b',
      'preamble\r\n--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--b--',
    ] as const,
  ])('in multipart sent as %s: %j', (type, body) => {
    expect(inBody(body, type)).toMatchObject({ name: 'token', where: 'multipart' })
  })

  it('a charset in which names cannot be read is found instead', () => {
    expect(inBody('a=1', `${form}; charset=ibm037`)).toEqual({ name: 'ibm037', where: 'charset' })
    expect(inBody('{"a":1}', 'application/json; charset="utf-7"')).toEqual({ name: 'utf-7', where: 'charset' })
    expect(inBody('{"a":1}', 'application/json; charset="UTF-8"')).toBeUndefined()
  })
})

describe('what is no credential parameter passes', () => {
  it.each(['', 'a=token', 'tokens=1', 'page_token=x', 'a[token]=x', 'q=a%3Dtoken', 'monkey=1', 'a=1&b=key'])(
    'query %s',
    query => {
      expect(inQuery(query)).toBeUndefined()
    },
  )

  it.each([
    ['application/json', '{"a":{"token":1},"b":["token"],"c":"token"}'],
    ['application/json', '{"text":"see https://x.example/?a=1&token=2","blocks":[{"token":1}]}'],
    ['application/json', '[["token"],"token"]'],
    ['application/json', '"token"'],
    ['application/json', '{"a":"{\\"token\\":1}"}'],
    [form, 'a=token&b=%26token%3D1'],
    [
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="file"; filename="token"\r\n\r\ntoken=1\r\n--b--',
    ],
    ['text/plain', 'Hello, the token=x is here'],
    ['text/html', '<a href="?token=x">'],
    ['application/xml', '<token>x</token>'],
  ])('%s: %s', (type, body) => {
    expect(inBody(body, type)).toBeUndefined()
  })

  it('no names, nothing found', () => {
    expect(findCredentialParameter({ query: 'token=x' }, [])).toBeUndefined()
  })
})

describe('a body is read whole only where it may hold parameters', () => {
  const bytes = (...values: number[]) => Buffer.concat([Buffer.from(values), Buffer.alloc(2_000, 0x81)])
  it.each([
    ['image/png', bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
    ['image/webp', bytes(0x52, 0x49, 0x46, 0x46, 0x3d, 0x26, 0x10, 0x00)],
    ['application/zip', bytes(0x50, 0x4b, 3, 4)],
    ['application/pdf', Buffer.from(`%PDF-1.7\n%\xe2\xe3\n${'x=1&'.repeat(400)}`, 'latin1')],
    ['application/octet-stream', bytes(0, 1, 2, 3)],
    ['text/markdown', Buffer.from(`# Title\n\ntoken=x ${'words '.repeat(400)}`)],
    ['text/markdown', Buffer.from(`---\ntitle: x\n---\n${'words '.repeat(400)}`)],
    ['application/rtf', Buffer.from(`{\\rtf1\\ansi ${'words '.repeat(400)}`)],
    ['message/rfc822', Buffer.from(`From: a@example.com\r\n${'Header: x\r\n'.repeat(100)}`)],
    [
      'multipart/related; boundary=b',
      Buffer.from(
        '--b\r\nContent-Type: application/json\r\n\r\n{"name":"x"}\r\n--b\r\nContent-Type: image/png\r\n\r\n',
      ),
    ],
    ['text/csv', Buffer.from('id,name\n1,a\n')],
  ])('%s streams', (type, body) => {
    expect(bodyNeedsInspection(type, body.subarray(0, 1_024))).toBe(false)
  })

  it.each([
    form,
    'application/json',
    'application/merge-patch+json',
    'text/json',
    'application/x-ndjson',
    'multipart/form-data; boundary=b',
  ])('%s is read', type => {
    expect(bodyNeedsInspection(type, Buffer.from([0xff, 0xd8, 0xff]))).toBe(true)
  })
})

describe('any spelling of a listed name', () => {
  const byte = (char: string) =>
    fc.constantFrom(char, char.toUpperCase()).chain(c => {
      const hex = c.charCodeAt(0).toString(16)
      return fc.constantFrom(c, `%${hex}`, `%${hex.toUpperCase()}`, `%25${hex}`)
    })
  const unit = (char: string) =>
    fc.constantFrom(char, char.toUpperCase()).chain(c => {
      const hex = c.charCodeAt(0).toString(16).padStart(4, '0')
      return fc.constantFrom(c, `\\u${hex}`, `\\u${hex.toUpperCase()}`)
    })
  const spelled = (of: (char: string) => fc.Arbitrary<string>) =>
    fc.constantFrom(...listed).chain(name => fc.tuple(...[...name].map(of)).map(chars => chars.join('')))
  const pair = fc
    .tuple(
      fc.stringMatching(/^[a-c]{1,4}$/),
      fc.webQueryParameters().map(text => encodeURIComponent(text.slice(0, 5))),
    )
    .map(([k, v]) => `${k}=${v}`)

  it('is found in queries and forms, among any others', () => {
    fc.assert(
      fc.property(
        spelled(byte),
        fc.array(pair),
        fc.array(pair),
        fc.constantFrom('', '[]', '[0]', '%5B%5D'),
        (name, before, after, suffix) => {
          const text = [...before, `${name}${suffix}=x`, ...after].join('&')
          expect(inQuery(text)).toBeDefined()
          for (const type of [form, 'text/plain', undefined]) expect(inBody(text, type)).toBeDefined()
        },
      ),
    )
  })

  it('is found at the top of any JSON object, and no name is found where there is none', () => {
    const value = fc.json({ maxDepth: 3 })
    const member = fc
      .tuple(
        fc.string().filter(key => !listed.some(name => key.toLowerCase().includes(name[0]!))),
        value,
      )
      .map(([key, json]) => `${JSON.stringify(key)}:${json}`)
    const space = fc.constantFrom('', ' ', '\n', '\t')
    fc.assert(
      fc.property(
        spelled(unit),
        fc.array(member),
        fc.array(member),
        value,
        space,
        (name, before, after, json, blank) => {
          const text = (members: string[]) => `${blank}{${members.join(`${blank},${blank}`)}${blank}}`
          const found = inBody(text([...before, `"${name}"${blank}:${json}`, ...after]), 'application/json')
          expect(found).toMatchObject({ where: 'json' })
          expect(inBody(text([...before, ...after]), 'application/json')).toBeUndefined()
        },
      ),
    )
  })

  it('is searched for to the end in a megabyte of anything', () => {
    const size = 1_048_576
    for (const text of [
      '[',
      '{',
      '"',
      '\\',
      '{"a":',
      "'",
      '&',
      ';',
      '%25',
      '--b\r\ncontent-disposition: form-data; name="',
      'content-disposition:',
      ' name="\\',
      '/*',
      '#\n',
      'a',
    ]) {
      const body = Buffer.from(text.repeat(Math.ceil(size / text.length)).slice(0, size))
      for (const contentType of ['application/json', form, 'multipart/form-data']) {
        expect(() => findCredentialParameter({ contentType, body }, listed)).not.toThrow()
      }
    }
  })
})
