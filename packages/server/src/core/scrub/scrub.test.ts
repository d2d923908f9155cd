import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../secret.ts'
import { makeNeedles } from './needles.ts'
import { scrubStream } from './scrub-stream.ts'
import { scrubText } from './scrub-text.ts'
import { spellingsOf } from './spellings.ts'

const secret = 'xoxb-12/34+AbC=é"~z'
const whole = (secrets: string[], data: Buffer, cuts: number[] = []) => {
  const stream = scrubStream(makeNeedles(secrets))
  const ends = [...cuts.map(cut => cut % (data.length + 1)).sort((a, b) => a - b), data.length]
  const parts: Buffer[] = []
  let from = 0
  for (const end of ends) {
    parts.push(stream.push(data.subarray(from, end)))
    from = end
  }
  parts.push(stream.end())
  return { out: Buffer.concat(parts), hits: stream.hits, parts }
}

describe('an echoed secret is masked at the same length (P1)', () => {
  const base64At = (lead: string) => Buffer.from(`${lead}${secret}!!`).toString('base64')
  it.each([
    ['verbatim', secret],
    ['percent-encoded', encodeURIComponent(secret)],
    ['percent-encoded in lower case', encodeURIComponent(secret).replace(/%../g, hex => hex.toLowerCase())],
    ['percent-encoded throughout', [...Buffer.from(secret)].map(b => `%${b.toString(16).padStart(2, '0')}`).join('')],
    ['form-encoded', new URLSearchParams({ a: secret }).toString().slice(2)],
    ['in JSON', JSON.stringify(secret).slice(1, -1)],
    ['in JSON with escaped slashes', JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/')],
    ['in ASCII JSON', JSON.stringify(secret).slice(1, -1).replaceAll('é', '\\u00e9')],
    [
      'in JSON escaped throughout',
      [...secret].map(c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
    ],
  ])('%s', (_, echo) => {
    const { out, hits } = whole([secret], Buffer.from(`<${echo}>`))
    expect(out.toString()).toBe(`<${'*'.repeat(Buffer.byteLength(echo))}>`)
    expect(hits).toBe(1)
  })

  it.each(['', 'a', 'id', 'client:', 'client1:'])('base64-encoded behind %j, in both alphabets', lead => {
    for (const encoded of [base64At(lead), Buffer.from(`${lead}${secret}!!`).toString('base64url')]) {
      const { out } = whole([secret], Buffer.from(`Basic ${encoded}`))
      const left = out.toString().slice(6)
      expect(left).toHaveLength(encoded.length)
      // At most the characters that also carry bits of the neighbours stay.
      expect(left).toMatch(/^[^*]*\*{24,}[^*]*$/)
      expect(Buffer.from(left.replaceAll('*', 'A'), 'base64').toString('latin1')).not.toContain(secret.slice(2, 6))
    }
  })

  it('in header values, and only there where it is', () => {
    const needles = makeNeedles([new Secret('sk-live-1234567890')])
    expect(scrubText(needles, 'Bearer sk-live-1234567890; x=\xe9')).toEqual({
      text: `Bearer ${'*'.repeat(18)}; x=\xe9`,
      hits: 1,
    })
    expect(scrubText(needles, 'Bearer sk-live-123456789')).toEqual({ text: 'Bearer sk-live-123456789', hits: 0 })
  })

  it('a secret shorter than eight characters is not looked for', () => {
    expect(whole(['short', '', '1234567'], Buffer.from('short 1234567')).out.toString()).toBe('short 1234567')
  })

  it('overlapping secrets are masked whole, both of them', () => {
    const { out, hits } = whole(['abcdefghXY', 'XYqrstuvwx'], Buffer.from('.abcdefghXYqrstuvwx.'))
    expect(out.toString()).toBe(`.${'*'.repeat(18)}.`)
    expect(hits).toBe(2)
  })
})

describe('a stream', () => {
  it('holds back nothing but a possible beginning, so events are not delayed', () => {
    const stream = scrubStream(makeNeedles(['sk-live-1234567890']))
    const event = Buffer.from('data: {"text":"hello"}\n\n')
    const passed = stream.push(event)
    expect([passed.buffer === event.buffer, passed.equals(event)]).toEqual([true, true])
    expect(stream.push(Buffer.from('token sk-li')).toString()).toBe('token ')
    expect(stream.push(Buffer.from('st of\n')).toString()).toBe('sk-list of\n')
    expect(stream.push(Buffer.from('sk-live-1234567')).toString()).toBe('')
    expect(stream.push(Buffer.from('890\n')).toString()).toBe(`${'*'.repeat(18)}\n`)
    expect(stream.push(Buffer.from('sk-')).toString()).toBe('')
    expect(stream.end().toString()).toBe('sk-')
  })

  const alphabet = fc.constantFrom(...'ab/+=%\\"é')
  const secrets = fc.array(fc.string({ unit: alphabet, minLength: 8, maxLength: 12 }), { minLength: 1, maxLength: 3 })
  const planted = secrets.chain(list =>
    fc.record({
      list: fc.constant(list),
      pieces: fc.array(
        fc.oneof(
          fc.string({ unit: alphabet, maxLength: 9 }),
          fc.constantFrom(...list.flatMap(spellingsOf)),
          // Beginnings and endings of a spelling, so that almost-matches and overlaps are common.
          fc.tuple(fc.constantFrom(...list.flatMap(spellingsOf)), fc.nat(30)).map(([text, n]) => text.slice(0, n)),
          fc.tuple(fc.constantFrom(...list.flatMap(spellingsOf)), fc.nat(30)).map(([text, n]) => text.slice(-n)),
        ),
        { maxLength: 8 },
      ),
      cuts: fc.array(fc.nat(), { maxLength: 20 }),
    }),
  )

  it('masks exactly the bytes of every occurrence, however it is cut', () => {
    fc.assert(
      fc.property(planted, ({ list, pieces, cuts }) => {
        const data = Buffer.from(pieces.join(''), 'latin1')
        const expected = Buffer.from(data)
        for (const spelling of list.flatMap(spellingsOf)) {
          const needle = Buffer.from(spelling, 'latin1')
          for (let at = data.indexOf(needle); at !== -1; at = data.indexOf(needle, at + 1)) {
            expected.fill('*', at, at + needle.length)
          }
        }
        const cut = whole(list, data, cuts)
        expect(cut.out.equals(expected)).toBe(true)
        expect(cut.hits).toBe(whole(list, data).hits)
        for (const spelling of list.flatMap(spellingsOf)) {
          expect(cut.out.indexOf(Buffer.from(spelling, 'latin1'))).toBe(-1)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('byte by byte gives what one chunk gives', () => {
    const data = Buffer.from(`x${secret}y${encodeURIComponent(secret)}${secret.slice(0, 9)}${secret}`)
    const cuts = Array.from({ length: data.length }, (_, i) => i)
    expect(whole([secret], data, cuts).out.equals(whole([secret], data).out)).toBe(true)
  })

  it('leaves random bytes as they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.array(fc.nat()), (bytes, cuts) => {
        const data = Buffer.from(bytes)
        expect(whole(['sk-live-1234567890'], data, cuts).out.equals(data)).toBe(true)
      }),
    )
  })
})

it('needles never print what they look for (P1)', () => {
  const needles = makeNeedles(['sk-live-1234567890'])
  for (const text of [inspect(needles), JSON.stringify({ needles }), String(needles)])
    expect(text).not.toContain('sk-live')
})
