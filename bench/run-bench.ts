import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initFolder, serveFolder } from './broker.ts'
import { startTarget } from './child.ts'
import { startGenerator } from './load/generator.ts'
import { type Measure, type MeasureId, measured } from './measure.ts'
import { findNginx } from './nginx.ts'
import { type Figures, type RoundOptions, runRounds } from './rounds.ts'
import { median, medianRatio } from './statistics.ts'
import { loopbackCertificate } from './targets/loopback-certificate.ts'
import { startUpstream, type TargetName, targetNames, targetsOver } from './targets.ts'
import { furtherWorkloads, mainWorkload, steadyWorkload, streamPath, type Workload } from './workloads.ts'

export interface BenchOptions {
  readonly quick: boolean
  /** One measure alone. */
  readonly only?: MeasureId
  readonly say: (line: string) => void
}

export interface BenchResult {
  readonly measures: readonly Measure[]
  /** Every workload that ran, with every target's figures. */
  readonly workloads: readonly { readonly workload: Workload; readonly figures: ReadonlyMap<TargetName, Figures> }[]
  readonly rounds: number
  /** What could not be measured here, and why. */
  readonly leftOut: readonly string[]
}

const streamWorkload: Workload = {
  id: 'stream_50mb',
  title: '50 MB stream, 1 connection',
  method: 'GET',
  path: streamPath,
  connections: 1,
}

/** Runs what was asked for, on this machine alone: every byte stays on loopback. */
export async function runBench({ quick, only, say }: BenchOptions): Promise<BenchResult> {
  const nginx = findNginx()
  const leftOut = nginx === undefined ? ['cpu_vs_nginx: there is no nginx on this machine.'] : []
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-bench-'))
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, loopbackCertificate.cert)
  const generator = startGenerator()
  const upstream = await startUpstream()
  const targets = targetsOver(upstream, nginx, caFile)
  const measures: Measure[] = []
  const workloads: { workload: Workload; figures: ReadonlyMap<TargetName, Figures> }[] = []
  const wants = (...ids: readonly MeasureId[]) => only === undefined || ids.includes(only)
  const rounds = quick ? 5 : 7
  const run = async (workload: Workload, names: readonly TargetName[], given: Omit<RoundOptions, 'say'>) => {
    const present = names.filter(name => name !== 'nginx' || nginx !== undefined)
    const open = []
    for (const name of present) {
      say(`starting ${name}`)
      open.push(await targets.open(name, workload.tls === true))
    }
    const figures = await runRounds(generator, workload, open, { ...given, say })
    workloads.push({ workload, figures })
    return (name: TargetName) => figures.get(name)
  }
  const add = (id: MeasureId, value: number, baseline: number) => measures.push(measured(id, value, baseline))

  try {
    // First, while the targets hold little: after a busy minute nothing more would be added.
    if (wants('stream_vs_bare', 'stream_memory_mb')) {
      const of = await run(streamWorkload, quick || only !== undefined ? ['bare', 'broker'] : targetNames, {
        rounds: quick ? 3 : 7,
        forMs: 60_000,
        warmUpMs: 0,
        requests: 2,
      })
      const [bare, ours] = [of('bare')!, of('broker')!]
      if (wants('stream_vs_bare'))
        add('stream_vs_bare', medianRatio(ours.elapsedMs, bare.elapsedMs), median(bare.elapsedMs) / 2)
      if (wants('stream_memory_mb'))
        add('stream_memory_mb', median(ours.addedBytes) / 1e6, median(bare.addedBytes) / 1e6)
    }
    if (wants('cpu_vs_bare', 'cpu_vs_nginx', 'axios_vs_ours', 'records_on_off')) {
      const other: Partial<Record<MeasureId, readonly TargetName[]>> = {
        cpu_vs_bare: ['bare', 'broker'],
        cpu_vs_nginx: ['nginx', 'broker'],
        axios_vs_ours: ['express_axios', 'broker'],
        records_on_off: ['broker_no_records', 'broker'],
      }
      const quickOnes: readonly TargetName[] = ['nginx', 'bare', 'broker', 'broker_no_records', 'express_axios']
      const names = only === undefined ? (quick ? quickOnes : targetNames) : other[only]!
      const of = await run(mainWorkload, names, {
        rounds,
        forMs: quick ? 700 : 2_000,
        warmUpMs: quick ? 3_000 : 15_000,
        warmUpRequests: quick ? 5_000 : 30_000,
      })
      const cpu = (name: TargetName) => of(name)?.cpuMicroseconds
      const ours = cpu('broker')!
      const compare = (
        id: MeasureId,
        above: number[] | undefined,
        below: number[] | undefined,
        base: number[] | undefined,
      ) => {
        if (above !== undefined && below !== undefined && wants(id)) add(id, medianRatio(above, below), median(base!))
      }
      compare('cpu_vs_bare', ours, cpu('bare'), cpu('bare'))
      compare('cpu_vs_nginx', ours, cpu('nginx'), cpu('nginx'))
      compare('axios_vs_ours', cpu('express_axios'), ours, cpu('express_axios'))
      compare('records_on_off', ours, cpu('broker_no_records'), cpu('broker_no_records'))
    }
    if (wants('p50_added_vs_bare', 'commit_ms')) {
      const of = await run(steadyWorkload, ['direct', 'bare', 'broker', 'broker_no_records'], {
        rounds: quick ? 3 : 5,
        forMs: quick ? 1_000 : 4_000,
        warmUpMs: quick ? 500 : 2_000,
      })
      const p50 = (name: TargetName) => of(name)!.p50Ms
      const added = (name: TargetName) => p50(name).map((ms, round) => ms - p50('direct')[round]!)
      if (wants('p50_added_vs_bare'))
        add('p50_added_vs_bare', medianRatio(added('broker_no_records'), added('bare')), median(added('bare')))
      if (wants('commit_ms'))
        add(
          'commit_ms',
          median(p50('broker').map((ms, round) => ms - p50('broker_no_records')[round]!)),
          median(p50('broker_no_records')),
        )
    }
    if (!quick && only === undefined) {
      for (const workload of furtherWorkloads) {
        await run(workload, targetNames, { rounds: 3, forMs: 1_200, warmUpMs: workload.tls === true ? 1_000 : 500 })
      }
    }
    if (wants('decide_us', 'decide_100_grants_us', 'match_us')) {
      say('deciding in process')
      const { decideUs, manyUs, matchUs } = await decide(upstream, caFile, quick ? 1_000 : 5_000)
      if (wants('decide_us')) add('decide_us', decideUs, matchUs)
      if (wants('decide_100_grants_us')) add('decide_100_grants_us', manyUs, decideUs)
      if (wants('match_us')) add('match_us', matchUs, 0)
    }
    if (wants('idle_mb', 'ready_ms')) {
      const starts = await start(quick ? 2 : 7, quick ? 2_000 : 3_000, say)
      const node = await bareNode()
      if (wants('idle_mb')) add('idle_mb', median(starts.map(one => one.bytes)) / 1e6, node.bytes / 1e6)
      if (wants('ready_ms')) add('ready_ms', median(starts.map(one => one.readyMs)), node.readyMs)
    }
  } finally {
    say('stopping')
    generator.stop()
    await targets.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { measures, workloads, rounds, leftOut }
}

async function decide(upstream: { readonly url: string; readonly tlsUrl: string }, caFile: string, ms: number) {
  const made = initFolder({ NODE_EXTRA_CA_CERTS: caFile })
  const { client_id, client_secret } = made.operator
  const args = [made.folder, client_id, client_secret, upstream.url, upstream.tlsUrl, String(ms)]
  const child = await startTarget('decide', args, {
    environment: made.settings,
    readyWithinMs: 60_000,
  })
  await child.stop()
  made.remove()
  const { decideUs, manyUs, matchUs } = child.said
  return { decideUs: Number(decideUs), manyUs: Number(manyUs), matchUs: Number(matchUs) }
}

async function start(times: number, idleMs: number, say: (line: string) => void) {
  const made = initFolder()
  const seen: { readonly readyMs: number; readonly bytes: number }[] = []
  for (let at = 1; at <= times; at++) {
    say(`start ${at} of ${times}`)
    const child = await serveFolder(made.folder, made.settings)
    await new Promise(resolve => setTimeout(resolve, idleMs))
    seen.push({ readyMs: child.readyMs, bytes: child.residentBytes() })
    await child.stop()
  }
  made.remove()
  return seen
}

/** The part of it that is Node's own. */
async function bareNode() {
  const child = await startTarget('nothing')
  const seen = { readyMs: child.readyMs, bytes: child.residentBytes() }
  await child.stop()
  return seen
}
