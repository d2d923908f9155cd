import { readFileSync } from 'node:fs'
import type { ProviderEntry } from './provider.ts'

/** An entry of the real catalogue, for tests of the rules. */
export function entryOf(id: string): ProviderEntry {
  const file = new URL(`../../../../../catalogue/${id}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as ProviderEntry
}
