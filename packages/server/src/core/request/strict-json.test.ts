import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldName, readForm } from './strict-form.ts'
import { readJson, valuesAt } from './strict-json.ts'

const why = (text: string) => {
  const read = readJson(text)
  return read.ok ? undefined : read.why
}

describe('strict JSON', () => {
  it('is what JSON.parse reads, when no member of an object is there twice', () => {
    const hasTwins = (value: unknown): boolean => {
      if (typeof value !== 'object' || value === null) return false
      const names = Array.isArray(value) ? [] : Object.keys(value).map(foldName)
      return new Set(names).size !== names.length || Object.values(value).some(hasTwins)
    }
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const read = readJson(text)
        expect(read.ok).toBe(!hasTwins(JSON.parse(text)))
        if (read.ok) expect(read.value.value).toEqual(JSON.parse(text))
      }),
    )
  })

  it('is read or refused, never thrown at, and only what JSON.parse reads is read', () => {
    const pieces = fc.constantFrom(...'{}[]:,"\\ \n', '"a"', '"\\u0061"', '1', '-', '1.0', 'true', '\u0000', '\ufeff')
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
        const text = parts.join('')
        if (readJson(text).ok) expect(() => JSON.parse(text)).not.toThrow()
      }),
    )
  })

  it('has no member twice, in whatever spelling, at any depth', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":1,"A":2}',
      '{"a":1,"\\u0061":2}',
      '{"a":1,"a[]":2}',
      '{"a.b":1,"a_b":2}',
      '[{"x":{"a":1,"b":[],"a":2}}]',
      '{"a":1,"a\\u200b":2}',
      '{"a":"}","a":2}',
      '{"a":"\\\\","a":2}',
    ])
      expect([text, why(text)]).toEqual([text, expect.stringContaining('more than once')])
    for (const text of ['{"a":{"a":1},"b":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a\\"a"}', '{"a":["a","a"]}'])
      expect([text, why(text)]).toEqual([text, undefined])
  })

  it('tells whole numbers that readers round or write differently', () => {
    const odd = (text: string) => {
      const read = readJson(text)
      return read.ok ? read.value.hasOddNumbers : read.why
    }
    for (const text of ['1.0', '1e3', '-0', '12345678901234567890', '[0.99999999999999999999]', '{"a":[1,2.00]}'])
      expect([text, odd(text)]).toEqual([text, true])
    for (const text of ['1', '-1', '0', '1.5', '9007199254740991', '{"a":[1,-20,0.25]}', '"1.0"'])
      expect([text, odd(text)]).toEqual([text, false])
    expect(odd('01')).toBe('The JSON is not well-formed.')
  })

  it('is nested 100 deep at most', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
    expect(why(nested(100))).toBeUndefined()
    expect(why(nested(101))).toContain('100 deep')
  })

  it('is looked into by pointers, and by no other spelling of a name', () => {
    const value = { a: { b: [{ id: 1 }, { id: null }, {}] }, '/': 2 }
    expect(valuesAt(value, '/a/b/*/id')).toEqual([1])
    expect(valuesAt(value, '/~1')).toEqual([2])
    expect(valuesAt(value, '/none')).toEqual([])
    expect(valuesAt(value, '/A/b')).toBeUndefined()
    expect(valuesAt(value, '/a/*')).toBeUndefined()
    expect(valuesAt([1], '/a')).toBeUndefined()
  })
})

describe('a strict form', () => {
  it('gives every parameter that URLSearchParams gives, when each has one plain name', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), fc.string({ unit: 'grapheme' })), given => {
        const read = readForm(new URLSearchParams(given as Record<string, string>).toString())
        expect(read.ok && Object.fromEntries(read.value)).toEqual({ ...given })
      }),
    )
  })
})
