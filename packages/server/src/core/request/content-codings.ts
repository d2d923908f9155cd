/** Codings of a body that we can look into (RFC 9110 section 8.4.1, RFC 7932). */
export type Coding = 'gzip' | 'br'

/** What goes up as `Accept-Encoding`, and so what may come back. */
export interface Offer {
  readonly value: string
  readonly codings: readonly Coding[]
}

/** For answers that have to be read, not only searched. */
export const identityOnly: Offer = { value: 'identity', codings: [] }

const named: ReadonlyMap<string, Coding> = new Map([
  ['gzip', 'gzip'],
  // RFC 9110 section 8.4.1.3.
  ['x-gzip', 'gzip'],
  ['br', 'br'],
])

/**
 * The agent's `Accept-Encoding` within {gzip, br, identity}, with its weights (RFC 9110 section 12.5.3). Nothing but
 * identity when the agent named none of them, and for a part of an answer: what a part inflates to cannot be known.
 */
export function offeredCodings(rawHeaders: readonly string[]): Offer {
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 15 && name.toLowerCase() === 'accept-encoding') values.push(rawHeaders[i + 1]!)
    else if (name.length === 5 && name.toLowerCase() === 'range') return identityOnly
  }
  if (values.length === 0) return identityOnly
  const known = remembered.get(values[0]!)
  if (known !== undefined && values.length === 1) return known
  const offer = offerOf(values.join(','))
  if (values.length === 1 && values[0]!.length <= 64 && remembered.size < 64) remembered.set(values[0]!, offer)
  return offer
}

/** Every SDK sends the same few words with each request. Bounded in number and length. */
const remembered = new Map<string, Offer>()

function offerOf(text: string): Offer {
  const weights = new Map<string, string>()
  for (const part of text.split(',')) {
    const [, name, weight] = /^\s*([^\s;,]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?$/i.exec(part) ?? []
    if (name !== undefined) weights.set(named.get(name.toLowerCase()) ?? name.toLowerCase(), weight ?? '1')
  }
  const star = weights.get('*')
  const offered = (['gzip', 'br', 'identity'] as const).flatMap(name => {
    const weight = weights.get(name) ?? star ?? (name === 'identity' ? '' : '0')
    return Number(weight || 1) > 0 ? [{ name, weight }] : []
  })
  const codings = offered.flatMap(({ name }) => (name === 'identity' ? [] : [name]))
  if (codings.length === 0) return identityOnly
  // Identity is acceptable unless refused, and needs a word only when it has a weight.
  const words = offered.filter(({ weight }) => weight !== '')
  const value = words.map(({ name, weight }) => (Number(weight) === 1 ? name : `${name};q=${weight}`)).join(', ')
  return { value: offered.length === codings.length ? `${value}, identity;q=0` : value, codings }
}

/**
 * The coding of an answer's body, undefined for none; `unreadable` when it was not offered, is a list, or is a transfer
 * coding beside `chunked` (RFC 9112 section 7): such a body cannot be searched.
 */
export function codingOf(rawHeaders: readonly string[], offer: Offer): Coding | 'unreadable' | undefined {
  let coding: Coding | undefined
  let isEncoded = false
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (name === 'transfer-encoding') {
      if (!/^\s*(?:chunked|identity)?\s*$/i.test(rawHeaders[i + 1]!)) return 'unreadable'
    } else if (name === 'content-encoding') {
      const value = rawHeaders[i + 1]!.trim().toLowerCase()
      if (value === '' || value === 'identity') continue
      coding = named.get(value)
      if (isEncoded || coding === undefined || !offer.codings.includes(coding)) return 'unreadable'
      isEncoded = true
    }
  }
  return coding
}
