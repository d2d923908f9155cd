import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { entrySchema, type entryShape } from './entry-shape.ts'
import type { ProviderEntry } from './provider.ts'
import type { TypeOf } from './shape.ts'

type Flat<T> = T extends readonly (infer U)[]
  ? readonly Flat<U>[]
  : T extends object
    ? { [K in keyof T]: Flat<T[K]> }
    : T
type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

// Fails to compile when a member is added to one of the two, is optional in one alone, or has another type.
const isSame: IsSame<Flat<TypeOf<typeof entryShape>>, Flat<ProviderEntry>> = true

describe('the shape of an entry', () => {
  it('agrees with the type of an entry', () => {
    expect(isSame).toBe(true)
  })

  it('makes the schema that is committed', () => {
    const committed = readFileSync(new URL('../../../../../catalogue/schema.json', import.meta.url), 'utf8')
    expect(committed).toBe(`${JSON.stringify(entrySchema(), null, 2)}\n`)
  })
})
