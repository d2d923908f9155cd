import { readFileSync, writeFileSync } from 'node:fs'

/** The ratio that was committed with the code, and how much worse a run may be before it fails. */
const file = new URL('./baseline.json', import.meta.url)
export const tolerance = 1.25

export function readBaseline(): number {
  return (JSON.parse(readFileSync(file, 'utf8')) as { cpu_vs_bare: number }).cpu_vs_bare
}

export function writeBaseline(ratio: number): void {
  writeFileSync(file, `${JSON.stringify({ cpu_vs_bare: ratio }, null, 2)}\n`)
}
