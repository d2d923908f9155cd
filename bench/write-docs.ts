import { readFileSync, writeFileSync } from 'node:fs'
import { machine } from './machine.ts'
import type { BenchResult } from './run-bench.ts'
import { asMarkdown, measureRows, workloadTables } from './tables.ts'

const file = new URL('../docs/performance.md', import.meta.url)
const begin = '<!-- results: written by npm run bench -- --write-docs -->'
const end = '<!-- end of results -->'

/** Puts the results of a run between the marks of the page; what a person wrote around them stays. */
export function writeDocs(result: BenchResult): void {
  const page = readFileSync(file, 'utf8')
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error('docs/performance.md has lost the marks of its results.')
  writeFileSync(file, `${before}${begin}\n\n${resultsOf(result)}\n\n${end}${after}`)
}

function resultsOf(result: BenchResult): string {
  const { cpu, cores, memory_gb, system } = machine()
  const tables = workloadTables(result).map(({ title, rows }) => `### ${title}\n\n${asMarkdown(rows)}`)
  return [
    `Measured on ${cores} cores of ${cpu}, ${memory_gb} GB, ${system}, Node ${process.version}; ${result.rounds} rounds of the main workload, medians.`,
    asMarkdown(measureRows(result)),
    ...(result.leftOut.length > 0 ? [`Left out: ${result.leftOut.join(' ')}`] : []),
    ...tables,
  ].join('\n\n')
}
