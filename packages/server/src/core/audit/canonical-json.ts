/**
 * JSON in one spelling: object keys sorted by UTF-16 code units, no spaces, absent members left out (as RFC 8785). The
 * text is what is stored and what is hashed, so that a stored text is never parsed to be verified.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonicalJson takes finite numbers only')
    return String(value)
  }
  if (Array.isArray(value)) {
    let items = ''
    for (let i = 0; i < value.length; i++) items += `${i === 0 ? '' : ','}${canonicalJson(value[i])}`
    return `[${items}]`
  }
  if (typeof value === 'object' && isPlain(value)) {
    let members = ''
    for (const key of Object.keys(value).sort()) {
      const member = (value as Readonly<Record<string, unknown>>)[key]
      if (member === undefined) continue
      members += `${members === '' ? '' : ','}${quoted(key)}:${canonicalJson(member)}`
    }
    return `{${members}}`
  }
  throw new TypeError('canonicalJson takes JSON values only')
}

/** Most texts have nothing to escape. */
function quoted(text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
