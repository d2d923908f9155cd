import type { Verdict } from './judges.ts'

/** Bytes that may hold no secret. `control` must be found in them: an empty or wrong pile would prove nothing. */
export interface Haystack {
  readonly name: string
  readonly bytes: Buffer
  readonly control: string
}

/**
 * Whether a secret stands in a haystack: as it is, percent-encoded, JSON-escaped, in hex, or in base64 at any alignment.
 * Says where, never what. Nothing to look for, or nothing to look in, is a failure.
 */
export function judgeLeaks(
  secrets: Readonly<Record<string, readonly string[]>>,
  haystacks: readonly Haystack[],
): Verdict {
  const none = Object.entries(secrets).filter(([, values]) => values.length === 0)
  if (Object.keys(secrets).length === 0 || none.length > 0)
    return { ok: false, detail: `no secret is known of ${none.map(([name]) => name).join(', ') || 'any provider'}` }
  const blind = haystacks.filter(({ bytes, control }) => !bytes.includes(control))
  if (haystacks.length === 0 || blind.length > 0)
    return { ok: false, detail: `nothing to search in ${blind.map(({ name }) => name).join(', ') || 'at all'}` }
  const hits = haystacks.flatMap(({ name, bytes }) =>
    Object.entries(secrets).flatMap(([vendor, values]) => {
      const count = values.filter(value => spellings(value).some(spelling => bytes.includes(spelling))).length
      return count === 0 ? [] : [`${count} of ${vendor} in ${name}`]
    }),
  )
  const total = Object.values(secrets).flat().length
  const size = Math.round(haystacks.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1024)
  return hits.length > 0
    ? { ok: false, detail: `secrets found: ${hits.join('; ')}` }
    : {
        ok: true,
        detail: `none of ${total} tokens and client secrets in ${size} KiB: ${haystacks.map(({ name }) => name).join(', ')}`,
      }
}

/** How a secret may be written. Of base64 only the middle is compared, because its ends depend on the neighbours. */
export function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const base64 = [0, 1, 2].flatMap(lead => {
    const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64')
    const middle = text.replace(/=+$/, '').slice(lead === 0 ? 0 : lead + 1, -1)
    return [middle, middle.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [
    ...new Set([
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      bytes.toString('hex'),
      ...base64,
    ]),
  ]
}
