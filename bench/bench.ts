import { writeFileSync } from 'node:fs'
import { help, readArguments } from './arguments.ts'
import { readBaseline, tolerance, writeBaseline } from './baseline.ts'
import { machine } from './machine.ts'
import { type BenchResult, runBench } from './run-bench.ts'
import { median } from './statistics.ts'
import { asText, measureRows, workloadTables } from './tables.ts'
import { writeDocs } from './write-docs.ts'

/** `npm run bench`: progress on stderr, the table on stdout. */
process.exitCode = await main(process.argv.slice(2))
process.exit()

async function main(given: readonly string[]): Promise<number> {
  const options = readArguments(given)
  if (options === 'help') {
    process.stdout.write(help)
    return 0
  }
  if ('wrong' in options) {
    process.stderr.write(`bench: ${options.wrong}\n`)
    return 2
  }
  const startedAt = performance.now()
  const say = (line: string) => process.stderr.write(`${seconds(startedAt).padStart(6)}  ${line}\n`)
  const { quick, only } = options
  const result = await runBench({ quick, say, ...(only !== undefined && { only }) })
  const out = options.json === '-' ? process.stderr : process.stdout
  for (const { title, rows } of workloadTables(result)) out.write(`\n${title}\n${asText(rows)}\n`)
  out.write(`\n${asText(measureRows(result))}\n`)
  for (const line of result.leftOut) out.write(`left out: ${line}\n`)
  out.write(`\n${seconds(startedAt)}, ${result.rounds} rounds, medians. Compare ratios within one run.\n`)
  const json = `${JSON.stringify(report(result), null, 2)}\n`
  if (options.json === '-') process.stdout.write(json)
  else if (options.json !== undefined) writeFileSync(options.json, json)
  if (options.writeDocs) writeDocs(result)
  const ratio = result.measures.find(one => one.id === 'cpu_vs_bare')?.value
  if (options.writeBaseline && ratio !== undefined) writeBaseline(ratio)
  return options.check && ratio !== undefined ? check(ratio) : 0
}

function check(ratio: number): number {
  const baseline = readBaseline()
  const most = baseline * tolerance
  const isGood = ratio <= most
  process.stderr.write(
    `cpu_vs_bare is ${ratio}; the committed baseline is ${baseline}, and up to ${most.toFixed(2)} passes: ${isGood ? 'good' : 'a regression'}.\n`,
  )
  return isGood ? 0 : 1
}

function report(result: BenchResult) {
  return {
    machine: machine(),
    node: process.version,
    rounds: result.rounds,
    measures: result.measures,
    workloads: result.workloads.map(({ workload, figures }) => ({
      id: workload.id,
      title: workload.title,
      targets: [...figures].map(([name, one]) => ({
        id: name,
        cpu_us: median(one.cpuMicroseconds),
        per_second: median(one.perSecond),
        p50_ms: median(one.p50Ms),
        p99_ms: median(one.p99Ms),
      })),
    })),
    left_out: result.leftOut,
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
