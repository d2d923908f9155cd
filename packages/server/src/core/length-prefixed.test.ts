import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashOfTuple, hmacOfTuple, lengthPrefixed } from './length-prefixed.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 6 })
const field = fc.oneof(
  fc.constant(undefined),
  fc.constant(''),
  text,
  fc.maxSafeInteger(),
  fc.constant('7'),
  fc.constant(7),
)
const tuple = fc.array(field, { maxLength: 5 })

describe('the length-prefixed form of a tuple', () => {
  test('two different tuples never have the same bytes', () => {
    fc.assert(
      fc.property(tuple, tuple, (a, b) => {
        const same = a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
        // -0 and 0 are one integer.
        const signless = JSON.stringify(a.map(x => x ?? null)) === JSON.stringify(b.map(x => x ?? null))
        expect(lengthPrefixed(a).equals(lengthPrefixed(b))).toBe(same || signless)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    [[undefined], ['']],
    [[''], ['', '']],
    [
      ['ab', 'c'],
      ['a', 'bc'],
    ],
    [[1], ['1']],
    [['a'], ['a', undefined]],
    [[], [undefined]],
  ])('%j and %j differ', (a, b) => {
    expect(lengthPrefixed(a)).not.toEqual(lengthPrefixed(b))
  })

  test('its bytes are pinned', () => {
    expect(lengthPrefixed(['é', undefined, 7, '']).toString('hex')).toBe(
      '00000004' + '0100000002c3a9' + '00' + '020000000137' + '0100000000',
    )
  })

  test('what has no exact byte form is refused', () => {
    expect(() => lengthPrefixed(['\ud800'])).toThrow(TypeError)
    expect(() => lengthPrefixed([1.5])).toThrow(TypeError)
    expect(() => lengthPrefixed([Number.NaN])).toThrow(TypeError)
    expect(() => lengthPrefixed([null as unknown as undefined])).toThrow(TypeError)
  })
})

describe('hashes of tuples', () => {
  const key = fc.uint8Array({ maxLength: 64 })
  const long = fc.array(fc.oneof(field, fc.string({ minLength: 40, maxLength: 3_000 })), { maxLength: 6 })

  test('are those of its byte form (RFC 2104), whatever was hashed before', () => {
    fc.assert(
      fc.property(key, long, (bytes, fields) => {
        if (!fields.every(one => typeof one !== 'string' || one.isWellFormed())) return
        const form = lengthPrefixed(fields)
        expect(hashOfTuple(fields)).toBe(createHash('sha256').update(form).digest('hex'))
        expect(hmacOfTuple(bytes, fields)).toBe(createHmac('sha256', bytes).update(form).digest('base64url'))
      }),
    )
  })

  test('what was given out is not written to by the next', () => {
    const form = lengthPrefixed(['first', 1])
    const before = form.toString('hex')
    hmacOfTuple(Buffer.alloc(16, 7), ['second', 2])
    expect(form.toString('hex')).toBe(before)
    expect(() => hmacOfTuple(Buffer.alloc(65), [])).toThrow(TypeError)
  })
})
