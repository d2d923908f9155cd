import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { ProviderEntry } from '../../core/catalogue/provider.ts'
import { type Coding, codingOf, type Offer } from '../../core/request/content-codings.ts'
import { readBoundedJson } from '../../core/token/bounded-json.ts'
import { atPointer } from '../../core/token/json-pointer.ts'
import type { Attempt, Head } from './attempt.ts'
import { headerOf } from './outgoing.ts'

/** A refusal is short; a longer body is data and is not looked into. */
const longestRefusal = 16 * 1024
const bounds = { maxBytes: longestRefusal, maxDepth: 8, maxMembers: 200, maxTextLength: longestRefusal }

/**
 * Whether an answer says that the access token is no longer good: 401, or what the entry declares equal to it (a status
 * and a value in a JSON body). Only where such a rule exists is the beginning of the body waited for.
 */
export async function refusalOf(
  attempt: Attempt,
  head: Head,
  entry: ProviderEntry,
): Promise<'status' | 'declared' | undefined> {
  if (head.status === 401) return 'status'
  const rules = (entry.api.unauthorizedAnswers ?? []).filter(rule => rule.status === head.status)
  if (rules.length === 0) return undefined
  const type = headerOf(head.rawHeaders, 'content-type') ?? ''
  const length = headerOf(head.rawHeaders, 'content-length')
  if (!/json/i.test(type) || (length !== undefined && Number(length) > longestRefusal)) return undefined
  const { bytes, isWhole } = await attempt.beginning(longestRefusal)
  const plain = isWhole ? inflated(bytes, codingOf(head.rawHeaders, anyCoding)) : undefined
  if (plain === undefined) return undefined
  const read = readBoundedJson(plain, bounds)
  if (read.kind !== 'object') return undefined
  const isDeclared = rules.some(rule => {
    const value = atPointer(read.value, rule.pointer)
    return typeof value === 'string' && rule.values.includes(value)
  })
  return isDeclared ? 'declared' : undefined
}

const anyCoding: Offer = { value: '', codings: ['gzip', 'br'] }

/** So few bytes are inflated at once faster than a thread is asked for it. Undefined when they cannot be read. */
function inflated(bytes: Buffer, coding: Coding | 'unreadable' | undefined): Buffer | undefined {
  try {
    const options = { maxOutputLength: longestRefusal }
    if (coding === 'gzip') return gunzipSync(bytes, options)
    if (coding === 'br') return brotliDecompressSync(bytes, options)
    return coding === undefined ? bytes : undefined
  } catch {
    return undefined
  }
}
