import type { JsonObject } from './bounded-json.ts'

export interface SplitAnswer {
  /** The answer without anything that may be a secret, its texts cut at 1,024. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Texts of the answer that may be secrets, each once. The access and the refresh token are not repeated here. */
  readonly secrets: readonly string[]
}

const secretName = /token|secret|key|password|passwd|assertion|credential|cookie|jwt|signature|webhook|^code$/i
/** Names that match above by accident and whose values are plain facts. */
const plainName =
  /^(token_?type|token_?use|expires?_?in|.*_expires?_(in|at)|.*(_token|key|token)_?(expires?|type|id|name)\w*)$/i
/** A shorter text is a word of ordinary answers; to mask it everywhere would ruin them and protect nothing. */
const shortestSecret = 8

/**
 * Parts the secrets of a token answer from its facts by the names of the members, at every depth: a bot token, a
 * webhook's URL or an ID token is as good as the access token to whoever reads it (P1).
 */
export function splitAnswer(json: JsonObject): SplitAnswer {
  const known = [json.access_token, json.refresh_token].filter(value => typeof value === 'string')
  const secrets = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value === 'string') {
      if (value.length >= shortestSecret && !/\s/.test(value)) secrets.add(value)
    } else if (typeof value === 'object' && value !== null) {
      for (const member of Object.values(value)) collect(member)
    }
  }
  const strip = (value: unknown): unknown => {
    if (typeof value === 'string') return value.slice(0, 1_024)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(strip)
    const out: Record<string, unknown> = Object.create(null)
    for (const [name, member] of Object.entries(value)) {
      if (secretName.test(name) && !plainName.test(name)) collect(member)
      else out[name] = strip(member)
    }
    return out
  }
  const facts = strip(json) as Record<string, unknown>
  for (const value of known) secrets.delete(value)
  return { facts: withoutEchoes(facts, [...known, ...secrets]), secrets: [...secrets] }
}

/** A secret that is repeated under an innocent name is no fact either. */
function withoutEchoes(facts: Record<string, unknown>, secrets: readonly string[]): Record<string, unknown> {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return secrets.some(secret => value.includes(secret.slice(0, 1_024))) ? '' : value
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(clean)
    const out: Record<string, unknown> = Object.create(null)
    for (const [name, member] of Object.entries(value)) {
      if (!secrets.some(secret => name.includes(secret))) out[name] = clean(member)
    }
    return out
  }
  return clean(facts) as Record<string, unknown>
}
