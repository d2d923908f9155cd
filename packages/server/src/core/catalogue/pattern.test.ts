import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPattern, compilePattern, decodeUnreserved, foldPath, matchPattern } from './pattern.ts'

const matches = (pattern: string, path: string) => matchPattern(compilePattern(pattern), path)

describe('a path pattern', () => {
  it.each([
    ['/api/auth.test', '/api/auth.test', true],
    ['/api/auth.test', '/api/auth.test/', false],
    ['/api/auth.test', '/API/auth.test', false],
    ['/files/{id}', '/files/a', true],
    ['/files/{id}', '/files/', false],
    ['/files/{id}', '/files', false],
    ['/files/{id}', '/files/a/b', false],
    ['/files/{id}:copy', '/files/a:copy', true],
    ['/files/{id}:copy', '/files/:copy', false],
    ['/files/**', '/files/a/b/c', true],
    ['/files/**', '/files', false],
    ['/files/**', '/files/', true],
    ['/files/**', '/files/a//b', false],
    ['/files/**', '/filesystem/a', false],
    ['/', '/', true],
    ['/', '/a', false],
    ['/**', '/anything', true],
  ])('%s against %s is %s', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected)
  })

  it.each([
    'files',
    '/files/',
    '//files',
    '/a/*',
    '/a/**/b',
    '/a/x{id}',
    '/a/{id}x',
    '/a/{1}',
    '/a/{id}/{id}',
    '/a/../b',
    '/a/./b',
    '/a%2fb',
    '/a?b',
    '/a b',
    '/a\\b',
    '/(a|b)+$"',
  ])('%s is no pattern, and the words say why', text => {
    expect(checkPattern(text)).toMatch(/\.$/)
    expect(() => compilePattern(text)).toThrow(TypeError)
  })

  it('takes percent-encoded unreserved characters for the characters (RFC 3986 section 6.2.2.2) and nothing else', () => {
    expect(decodeUnreserved('/api/%61uth%2Etest%2f%25')).toBe('/api/auth.test%2f%25')
    expect(matches('/api/auth.test', '/api/auth%2Etest')).toBe(true)
    expect(matches('/a/{id}', '/a/b%2Fc')).toBe(true)
    expect(matches('/a/b/c', '/a/b%2Fc')).toBe(false)
  })

  it('is matched without looking at anything but whole segments', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), segment, (path, other) => {
        const text = `/${path.join('/')}`
        expect(matches(text, text)).toBe(true)
        expect(matches(text, `${text}/${other}`)).toBe(false)
        expect(matches(`${text}/**`, `${text}/${other}`)).toBe(true)
        expect(matches(`${text}/{x}`, `${text}/${other}`)).toBe(true)
      }),
    )
  })
})

describe('the loosest reading of a path', () => {
  it.each([
    ['/API/Auth.Test/', '/api/auth.test'],
    ['/api//auth.test', '/api/auth.test'],
    ['/api/./x/../auth.test', '/api/auth.test'],
    ['/api/auth.test;v=1', '/api/auth.test'],
    ['/api%2Fauth.test', '/api/auth.test'],
    ['/api%252Fauth.test', '/api/auth.test'],
    ['/api\\auth.test', '/api/auth.test'],
  ])('of %s is %s', (path, expected) => {
    expect(foldPath(path)).toBe(expected)
  })
})
