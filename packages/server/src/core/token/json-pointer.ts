/** The value at a JSON pointer (RFC 6901), or undefined. Only own members count, so `/constructor` finds nothing. */
export function atPointer(value: unknown, pointer: string): unknown {
  if (pointer === '') return value
  if (!pointer.startsWith('/')) throw new TypeError('a JSON pointer is empty or begins with a slash (RFC 6901)')
  let here: unknown = value
  for (const escaped of pointer.slice(1).split('/')) {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined
    if (Array.isArray(here) && !/^(0|[1-9][0-9]*)$/.test(name)) return undefined
    here = (here as Record<string, unknown>)[name]
  }
  return here
}
