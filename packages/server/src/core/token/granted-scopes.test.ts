import fc from 'fast-check'
import { expect, it } from 'vitest'
import { grantedScopes } from './granted-scopes.ts'
import { sampleEntry } from './sample-entry.fixture.ts'

const entry = sampleEntry()

it('a provider that does not say granted what was asked (RFC 6749 section 5.1)', () => {
  expect(grantedScopes({ answered: undefined, requested: ['a', 'b'], entry })).toEqual({
    granted: ['a', 'b'],
    missing: [],
  })
})

it('where a person may untick scopes, silence grants nothing (rows 70, 73)', () => {
  const partial = sampleEntry({}, ['scope-partial-grant'])
  expect(grantedScopes({ answered: undefined, requested: ['a'], entry: partial })).toEqual({
    granted: [],
    missing: ['a'],
  })
})

it('less than asked is named, more is no fault', () => {
  expect(grantedScopes({ answered: ['b', 'c'], requested: ['a', 'b'], entry })).toEqual({
    granted: ['b', 'c'],
    missing: ['a'],
  })
})

it('what was asked is either granted or missing, never both (row 73)', () => {
  const scopes = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'))
  fc.assert(
    fc.property(scopes, scopes, (answered, requested) => {
      const { granted, missing } = grantedScopes({ answered, requested, entry })
      for (const scope of requested) expect(granted.includes(scope)).toBe(!missing.includes(scope))
      for (const scope of granted) expect(answered).toContain(scope)
    }),
  )
})
