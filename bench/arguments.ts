import { type MeasureId, measures } from './measure.ts'

export interface Arguments {
  readonly quick: boolean
  readonly only?: MeasureId
  readonly json?: string
  readonly check: boolean
  readonly writeDocs: boolean
  readonly writeBaseline: boolean
}

export const help = `Measures Valetkey against what it could be and against what peers do, on this machine and offline.

  npm run bench -- [options]

  --quick            less than a minute: the measures that are judged, fewer rounds
  --only ID          one measure: ${measures.map(one => one.id).join(', ')}
  --json FILE        writes { machine, node, rounds, measures, workloads, left_out } to FILE ("-" for stdout)
  --check            fails (exit code 1) when cpu_vs_bare is more than 25 % above bench/baseline.json
  --write-baseline   writes this run's cpu_vs_bare to bench/baseline.json
  --write-docs       writes the results into docs/performance.md; a full run has more workloads
  --help             this

Compare ratios, never microseconds of two machines. Close what else runs: medians bear a busy machine, not a full one.
`

/** Reads the command line; a string is what is wrong with it. */
export function readArguments(given: readonly string[]): Arguments | 'help' | { readonly wrong: string } {
  const flags = new Set<string>()
  let only: MeasureId | undefined
  let json: string | undefined
  for (let at = 0; at < given.length; at++) {
    const name = given[at]!
    if (name === '--help' || name === '-h') return 'help'
    if (name === '--only' || name === '--json') {
      const value = given[++at]
      if (value === undefined) return { wrong: `${name} wants a value.` }
      if (name === '--json') json = value
      else {
        const known = measures.find(one => one.id === value)
        if (known === undefined)
          return { wrong: `There is no measure "${value}". Use one of: ${measures.map(one => one.id).join(', ')}.` }
        only = known.id
      }
    } else if (['--quick', '--check', '--write-docs', '--write-baseline'].includes(name)) flags.add(name)
    else return { wrong: `There is no option "${name}". Look at --help.` }
  }
  if (flags.has('--write-docs') && only !== undefined)
    return { wrong: '--write-docs writes every measure: leave --only out.' }
  for (const name of ['--check', '--write-baseline'])
    if (flags.has(name) && only !== undefined && only !== 'cpu_vs_bare')
      return { wrong: `${name} is about cpu_vs_bare, which --only ${only} leaves out.` }
  return {
    quick: flags.has('--quick'),
    check: flags.has('--check'),
    writeDocs: flags.has('--write-docs'),
    writeBaseline: flags.has('--write-baseline'),
    ...(only !== undefined && { only }),
    ...(json !== undefined && { json }),
  }
}
