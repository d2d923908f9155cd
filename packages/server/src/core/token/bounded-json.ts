/** A JSON object without a prototype: a member called `constructor` or `toString` is only a member. */
export type JsonObject = { readonly [member: string]: unknown }

/** How much of somebody else's JSON we are willing to hold. */
export interface JsonBounds {
  readonly maxBytes: number
  readonly maxDepth: number
  /** Members of objects and elements of arrays, all levels together. */
  readonly maxMembers: number
  /** UTF-16 units of one text or one member name. */
  readonly maxTextLength: number
}

export type BoundedJson =
  | { readonly kind: 'object'; readonly value: JsonObject }
  | { readonly kind: 'refused'; readonly why: string }

/** Bounds for what a provider's OAuth endpoint answers (row 70). A token answer of a real provider stays far below. */
export const answerBounds: JsonBounds = { maxBytes: 65_536, maxDepth: 8, maxMembers: 200, maxTextLength: 32_768 }

/**
 * Reads a JSON object out of hostile bytes. Members that are null are left out, since vendors write null for "none";
 * so is `__proto__`, which has no honest use. `why` is made of our own words only, never of the input (row 24).
 */
export function readBoundedJson(body: Uint8Array, bounds: JsonBounds): BoundedJson {
  if (body.byteLength > bounds.maxBytes) return refused('the body is larger than we accept')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return refused('the body is not UTF-8')
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return refused('the body is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return refused('the body is not a JSON object')
  }
  return boundObject(parsed, bounds)
}

/** The same judgement on an object that was parsed elsewhere, a form-encoded answer for example. */
export function boundObject(parsed: object, bounds: JsonBounds): BoundedJson {
  let members = 0
  let why = ''
  const copy = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') {
      if (value.length > bounds.maxTextLength) why ||= 'a text in the body is longer than we accept'
      return value
    }
    if (typeof value !== 'object' || value === null) return value
    if (depth > bounds.maxDepth) {
      why ||= 'the body is nested deeper than we accept'
      return undefined
    }
    const pairs = Object.entries(value)
    members += pairs.length
    if (members > bounds.maxMembers) {
      why ||= 'the body has more members than we accept'
      return undefined
    }
    if (Array.isArray(value)) return value.map(element => copy(element, depth + 1))
    const out: Record<string, unknown> = Object.create(null)
    for (const [name, member] of pairs) {
      if (why !== '') return undefined
      if (name.length > bounds.maxTextLength) why ||= 'a member name in the body is longer than we accept'
      if (member === null || name === '__proto__') continue
      out[name] = copy(member, depth + 1)
    }
    return out
  }
  const value = copy(parsed, 1)
  return why === '' ? { kind: 'object', value: value as JsonObject } : refused(why)
}

function refused(why: string): BoundedJson {
  return { kind: 'refused', why }
}
