import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lintEntry } from '../../core/catalogue/lint-entry.ts'
import { compileOperations, type OperationTable } from '../../core/catalogue/match-operation.ts'
import type { Operation, ProviderEntry } from '../../core/catalogue/provider.ts'

/** The providers that this server knows, read once at start. */
export interface Catalogue {
  get(id: string): ProviderEntry | undefined
  /** All entries by id. */
  list(): readonly ProviderEntry[]
  /** The compiled operations of an entry. */
  table(id: string): OperationTable | undefined
  /** The operation of that id and the entry that it belongs to. */
  operation(id: string): { readonly entry: ProviderEntry; readonly operation: Operation } | undefined
  /** Entries whose id, name or category contains every word; better places first. */
  search(words: string): readonly ProviderEntry[]
}

/** The catalogue is not fit to serve from; `faults` has every fault of every file. */
export class CatalogueFault extends Error {
  readonly faults: readonly string[]
  constructor(folder: string, faults: readonly string[]) {
    super(`The catalogue in ${folder} has ${faults.length} fault(s):\n${faults.map(fault => `  ${fault}`).join('\n')}`)
    this.name = 'CatalogueFault'
    this.faults = faults
  }
}

const notEntries = ['schema.json']

/**
 * Reads and checks every entry of a folder, one provider a file. All faults are reported at once. Without a folder: the
 * one inside the installed package, else the repository's.
 */
export function loadCatalogue(folder: string = ownFolder()): Catalogue {
  const faults: string[] = []
  const entries: ProviderEntry[] = []
  for (const file of filesOf(folder)) {
    const value = parse(join(folder, file))
    const found = value instanceof Error ? [`is not JSON: ${value.message}`] : lintEntry(value)
    if (found.length === 0 && (value as ProviderEntry).id !== file.slice(0, -'.json'.length)) {
      found.push(`/id: must be the name of the file without .json`)
    }
    faults.push(...found.map(fault => `${file}: ${fault}`))
    if (found.length === 0) entries.push(value as ProviderEntry)
  }
  if (faults.length > 0) throw new CatalogueFault(folder, faults)
  return catalogueOf(entries)
}

function ownFolder(): string {
  const [installed, repository] = ['../../../catalogue', '../../../../../catalogue'].map(path =>
    fileURLToPath(new URL(path, import.meta.url)),
  ) as [string, string]
  return existsSync(installed) ? installed : repository
}

function filesOf(folder: string): string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (cause) {
    throw new CatalogueFault(folder, [`the folder cannot be read: ${(cause as Error).message}`])
  }
  const files = names.filter(name => name.endsWith('.json') && !notEntries.includes(name)).sort()
  if (files.length === 0) throw new CatalogueFault(folder, ['the folder has no entries'])
  return files
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause))
  }
}

/** A catalogue of entries that were checked before. */
export function catalogueOf(entries: readonly ProviderEntry[]): Catalogue {
  const sorted = entries.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const byId = new Map(sorted.map(entry => [entry.id, entry]))
  const tables = new Map(sorted.map(entry => [entry.id, compileOperations(entry)]))
  return {
    get: id => byId.get(id),
    list: () => sorted,
    table: id => tables.get(id),
    operation: id => {
      const entry = byId.get(id.split('.', 1)[0]!)
      const operation = entry === undefined ? undefined : tables.get(entry.id)?.operations.get(id)
      return entry === undefined || operation === undefined ? undefined : { entry, operation }
    },
    search: words => {
      const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
      const isFound = (entry: ProviderEntry) =>
        wanted.every(word => `${entry.id} ${entry.name} ${entry.category}`.toLowerCase().includes(word))
      const place = (entry: ProviderEntry) => (wanted.some(word => entry.id.startsWith(word)) ? 0 : 1)
      return sorted.filter(isFound).toSorted((a, b) => place(a) - place(b))
    },
  }
}
