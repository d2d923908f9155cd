import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeNeedles } from './needles.ts'

describe('the look into a text', () => {
  it('is certain when it says that nothing is there', () => {
    const secret = fc.string({ minLength: 8, maxLength: 30 })
    fc.assert(
      fc.property(secret, fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (hidden, before, after) => {
        const needles = makeNeedles([hidden])
        const text = Buffer.from(before + hidden + after, 'utf8').toString('latin1')
        for (const one of [text, Buffer.from(before + after, 'utf8').toString('latin1')]) {
          if (needles.find(Buffer.from(one, 'latin1')).length > 0) expect(needles.mayOccurIn(one)).toBe(true)
        }
      }),
    )
    expect(makeNeedles(['a-secret-of-the-vault']).mayOccurIn('application/json; charset=utf-8')).toBe(false)
    expect(makeNeedles([]).mayOccurIn('a-secret-of-the-vault')).toBe(false)
  })
})
