import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lexDocument } from './lex-document.ts'
import { type DocumentReading, readDocument } from './read-document.ts'

const fields = (reading: DocumentReading) => {
  if (!reading.ok) return reading.why
  return reading.call.kind === 'query' ? 'query' : [...reading.call.fields].sort()
}

describe('a GraphQL document', () => {
  it.each([
    '{ viewer { login } }',
    'query { a }',
    'query Named($id: ID! = "x", $ids: [[Int!]!] = [[1]] @d) @live { a(id: $id, ids: $ids) @skip(if: true) { ...F } } fragment F on T { b }',
    '{ a(text: """a "quoted" } \\""" block""", n: -1.5e+3, e: ENUM, o: {x: [1, null, true]}) }',
    '# mutation { a }\n{ a }',
    '{ ... on T { a } ... @include(if: false) { b } ... { c } }',
    '{ mutation: query { fragment on } }',
    '{ a(text: "mutation { b }\\u{1F600}\\n") , , }',
  ])('that reads is a query: %s', text => expect(fields(readDocument(text))).toBe('query'))

  it.each([
    ['mutation { add(x: 1) { id } }', ['add']],
    ['mutation { harmless: remove }', ['remove']],
    ['mutation M { a b a __typename }', ['a', 'b']],
    [
      'mutation { ...F ... on Mutation { b } ... @skip(if: true) { c } } fragment F on Mutation { a ...G } fragment G on X { d }',
      ['a', 'b', 'c', 'd'],
    ],
    ['fragment F on Mutation { a } mutation { ...F }', ['a']],
    ['mutation { a(text: """ } b { """) }', ['a']],
    ['mutation { a # b\r c }', ['a', 'c']],
  ])('that writes calls the root fields that it names, whatever they are called there: %s', (text, expected) =>
    expect(fields(readDocument(text))).toEqual(expected),
  )

  it.each([
    ['', 'one operation'],
    ['fragment F on T { a }', 'one operation'],
    ['{ a } { b }', 'one operation'],
    ['query A { a } mutation B { b }', 'one operation'],
    ['subscription { a }', 'subscriptions'],
    ['type T { a: Int }', 'operations and fragments only'],
    ['extend type T { a: Int }', 'operations and fragments only'],
    ['{ ...F }', 'not in the document'],
    ['{ ...F } fragment F on T { ...F }', 'spreads itself'],
    ['{ ...F } fragment F on T { a { ...G } } fragment G on T { ...F }', 'spreads itself'],
    ['{ ...F } fragment F on T { a } fragment F on T { b }', 'there twice'],
    ['mutation { __typename }', 'calls no field'],
    ['{ }', 'not well-formed'],
    ['{ a', 'ends early'],
    ['{ a } }', 'not well-formed'],
    ['{ a(x: ) }', 'not well-formed'],
    ['{ a() }', 'not well-formed'],
    ['{ a(x: "open) }', 'not well-formed'],
    ['{ a(x: """open") }', 'not well-formed'],
    ['{ a(x: 01) }', 'not well-formed'],
    ['{ a(x: 1x) }', 'not well-formed'],
    ['{ a(x: "\\q") }', 'not well-formed'],
    ['{ a(x: "two\nlines") }', 'not well-formed'],
    ['{ \u00e9 }', 'not well-formed'],
    ['{ a\u2028b }', 'not well-formed'],
    ['\ufeff{ a }', 'not well-formed'],
    ['"words" query { a }', 'not well-formed'],
    ['{"query":"mutation { a }"}', 'not well-formed'],
    ['fragment on on T { a } { b }', 'not well-formed'],
  ])('is refused: %j', (text, why) => expect(fields(readDocument(text))).toContain(why))

  it('is nested 50 deep at most, in selections, values, types and through fragments', () => {
    const nested = (depth: number) => `${'{ a '.repeat(depth)}${'}'.repeat(depth)}`
    expect(fields(readDocument(nested(50)))).toBe('query')
    expect(fields(readDocument(nested(51)))).toContain('50 deep')
    const chain = (count: number) =>
      `{ ...F0 } ${Array.from({ length: count }, (_, at) => `fragment F${at} on T { a { ...F${at + 1} } }`).join(' ')} fragment F${count} on T { b }`
    expect(fields(readDocument(chain(49)))).toBe('query')
    expect(fields(readDocument(chain(50)))).toContain('50 deep')
    expect(fields(readDocument(`{ a(x: ${'['.repeat(60)}${']'.repeat(60)}) }`))).toContain('50 deep')
    expect(fields(readDocument(`query ($x: ${'['.repeat(60)}T${']'.repeat(60)}) { a }`))).toContain('50 deep')
  })

  it('has 5,000 tokens at most, and its fragments are opened once each however often they are spread', () => {
    expect(fields(readDocument(`{ ${'a '.repeat(4_998)}}`))).toBe('query')
    expect(fields(readDocument(`{ ${'a '.repeat(4_999)}}`))).toContain('5000 tokens')
    const doubling = Array.from({ length: 40 }, (_, at) => `fragment F${at} on T { ...F${at + 1} ...F${at + 1} }`)
    expect(fields(readDocument(`mutation { ...F0 } ${doubling.join(' ')} fragment F40 on T { a }`))).toEqual(['a'])
  })

  it('of a megabyte is read or refused without harm', () => {
    expect(fields(readDocument(`{ a(x: "${'\\n'.repeat(500_000)}") }`))).toBe('query')
    expect(fields(readDocument(`{ a(x: """${'"" '.repeat(300_000)}""") }`))).toBe('query')
    expect(fields(readDocument(`{ a(x: "${'x'.repeat(1_000_000)} `))).toContain('not well-formed')
    expect(fields(readDocument(`${'#\n'.repeat(500_000)}{ a }`))).toBe('query')
  })

  const selection = fc.letrec<{ selection: string }>(tie => ({
    selection: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('a', 'b: c', 'd(x: "}")', 'e @skip(if: true)'),
      fc
        .tuple(
          fc.constantFrom('f', 'g: h', '...', '... on T'),
          fc.array(tie('selection'), { minLength: 1, maxLength: 3 }),
        )
        .map(([head, inner]) => `${head} { ${inner.join(' ')} }`),
    ),
  })).selection
  const gap = fc.constantFrom(' ', '\n', ',', '\t', ' # } mutation {\n')

  it('names a field wherever it stands at the root, and no field below it is one', () => {
    fc.assert(
      fc.property(
        fc.array(selection, { maxLength: 4 }),
        fc.array(selection, { maxLength: 4 }),
        gap,
        fc.integer({ min: 0, max: 3 }),
        (before, after, space, depth) => {
          const wrapped = `${'... on M { '.repeat(depth)}alias: wanted { hidden }${' }'.repeat(depth)}`
          const found = readDocument(`mutation {${[...before, wrapped, ...after].join(space)}}`)
          expect(fields(found)).toContain('wanted')
          expect(fields(found)).not.toContain('hidden')
          expect(fields(found)).not.toContain('alias')
        },
      ),
    )
  })

  it('is read or refused, never thrown at', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...'{}()[]:$@!.&|="\\#,\n ', '...', '"""', 'mutation', 'fragment', 'on', 'a', '1'), {
          maxLength: 40,
        }),
        pieces => {
          expect(typeof readDocument(pieces.join('')).ok).toBe('boolean')
        },
      ),
    )
    expect(lexDocument('{ a }')).toHaveLength(3)
  })
})
