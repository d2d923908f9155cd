/**
 * A shape says at once what a value's type is, how to check a value that came from a file, and what its JSON schema is,
 * so that the three cannot drift apart. Unknown members are faults.
 */
export interface Shape<T> {
  readonly schema: Readonly<Record<string, unknown>>
  /** Adds a fault, as `pointer: words`, for everything that is not of this shape. */
  check(value: unknown, pointer: string, faults: string[]): void
  /** Only for types. */
  readonly type?: T
}

export type Optional<T> = Shape<T> & { readonly isOptional: true }
export type TypeOf<S> = S extends Shape<infer T> ? T : never

type Members = Readonly<Record<string, Shape<unknown>>>
type ObjectOf<M extends Members> = {
  readonly [K in keyof M as M[K] extends { isOptional: true } ? never : K]: TypeOf<M[K]>
} & { readonly [K in keyof M as M[K] extends { isOptional: true } ? K : never]?: TypeOf<M[K]> }

export function text(pattern?: RegExp, words = 'must be a text that is not empty'): Shape<string> {
  return {
    schema: { type: 'string', ...(pattern === undefined ? { minLength: 1 } : { pattern: pattern.source }) },
    check(value, pointer, faults) {
      const isGood = typeof value === 'string' && (pattern === undefined ? value !== '' : pattern.test(value))
      if (!isGood) faults.push(`${pointer}: ${words}`)
    },
  }
}

export function wholeNumber(least: number): Shape<number> {
  return {
    schema: { type: 'integer', minimum: least },
    check(value, pointer, faults) {
      if (!Number.isSafeInteger(value) || (value as number) < least) {
        faults.push(`${pointer}: must be a whole number of at least ${least}`)
      }
    },
  }
}

export const truth: Shape<boolean> = {
  schema: { type: 'boolean' },
  check(value, pointer, faults) {
    if (typeof value !== 'boolean') faults.push(`${pointer}: must be true or false`)
  },
}

export function oneOf<const V extends string | number>(...values: readonly V[]): Shape<V> {
  return {
    schema: { enum: values },
    check(value, pointer, faults) {
      if (!(values as readonly unknown[]).includes(value))
        faults.push(`${pointer}: must be one of ${values.join(', ')}`)
    },
  }
}

export function list<T>(of: Shape<T>, least = 0): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: of.schema, ...(least > 0 && { minItems: least }) },
    check(value, pointer, faults) {
      if (!Array.isArray(value)) {
        faults.push(`${pointer}: must be a list`)
        return
      }
      if (value.length < least) faults.push(`${pointer}: must have at least ${least} item(s)`)
      for (const [index, item] of value.entries()) of.check(item, `${pointer}/${index}`, faults)
    },
  }
}

export function record<T>(of: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    schema: { type: 'object', additionalProperties: of.schema },
    check(value, pointer, faults) {
      if (!isObject(value)) faults.push(`${pointer}: must be an object`)
      else for (const [name, member] of Object.entries(value)) of.check(member, `${pointer}/${name}`, faults)
    },
  }
}

export function optional<T>(of: Shape<T>): Optional<T> {
  return { schema: of.schema, check: of.check.bind(of), isOptional: true }
}

export function object<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const required = Object.keys(members).filter(name => !('isOptional' in members[name]!))
  return {
    schema: {
      type: 'object',
      additionalProperties: false,
      required,
      properties: Object.fromEntries(Object.entries(members).map(([name, member]) => [name, member.schema])),
    },
    check(value, pointer, faults) {
      if (!isObject(value)) {
        faults.push(`${pointer}: must be an object`)
        return
      }
      for (const name of required) if (!Object.hasOwn(value, name)) faults.push(`${pointer}/${name}: is missing`)
      for (const [name, member] of Object.entries(value)) {
        if (Object.hasOwn(members, name)) members[name]!.check(member, `${pointer}/${name}`, faults)
        else faults.push(`${pointer}/${name}: is no member of this object`)
      }
    },
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
