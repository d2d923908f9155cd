import { expect, it } from 'vitest'
import { atPointer } from './json-pointer.ts'

const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'm~n': 8, deep: { constructor: 2 } }

it('finds what RFC 6901 section 5 finds', () => {
  expect(atPointer(document, '')).toBe(document)
  expect(atPointer(document, '/foo/1')).toBe('baz')
  expect(atPointer(document, '/')).toBe(0)
  expect(atPointer(document, '/a~1b')).toBe(1)
  expect(atPointer(document, '/m~0n')).toBe(8)
  expect(atPointer(document, '/deep/constructor')).toBe(2)
})

it('finds nothing that is inherited, no index that is not written plainly, and nothing inside a text', () => {
  for (const pointer of [
    '/constructor',
    '/__proto__',
    '/foo/length',
    '/foo/01',
    '/foo/-',
    '/foo/2',
    '/foo/0/0',
    '/foo/0/length',
  ]) {
    expect(atPointer(document, pointer), pointer).toBeUndefined()
  }
  expect(() => atPointer(document, 'foo')).toThrow(TypeError)
})
