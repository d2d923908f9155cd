import type { Generator } from './load/generator.ts'
import type { Seen } from './load/order.ts'
import type { Target } from './targets.ts'
import type { Workload } from './workloads.ts'

/** One target's figures of each round. */
export interface Figures {
  readonly cpuMicroseconds: number[]
  readonly perSecond: number[]
  readonly p50Ms: number[]
  readonly p99Ms: number[]
  readonly elapsedMs: number[]
  /** How much more memory the target held at its peak than before. */
  readonly addedBytes: number[]
}

export interface RoundOptions {
  readonly rounds: number
  readonly forMs: number
  /** Unmeasured, before the first round, so that every engine has compiled what it will. */
  readonly warmUpMs: number
  /** Enough of a warm-up: an engine compiles by how often, not how long. */
  readonly warmUpRequests?: number
  /** No more than this many. */
  readonly requests?: number
  readonly say: (line: string) => void
}

/**
 * Runs a workload on every target, round by round, in turned order (A B C, C B A, …): what the machine does meanwhile
 * falls on all of them alike.
 */
export async function runRounds(
  generator: Generator,
  workload: Workload,
  targets: readonly Target[],
  options: RoundOptions,
): Promise<ReadonlyMap<Target['name'], Figures>> {
  const figures = new Map(targets.map(target => [target.name, emptyFigures()]))
  if (options.warmUpMs > 0) {
    for (const target of targets) {
      options.say(`${workload.title}: warming up ${target.name}`)
      await runOnce(generator, workload, target, {
        ...options,
        forMs: options.warmUpMs,
        ...(options.warmUpRequests !== undefined && { requests: options.warmUpRequests }),
      })
    }
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
      options.say(`${workload.title}: round ${round + 1} of ${options.rounds}, ${target.name}`)
      const { seen, cpu, added } = await runOnce(generator, workload, target, options)
      const one = figures.get(target.name)!
      one.cpuMicroseconds.push(cpu / seen.requests)
      one.perSecond.push((seen.requests * 1000) / seen.elapsedMs)
      one.p50Ms.push(seen.p50Ms)
      one.p99Ms.push(seen.p99Ms)
      one.elapsedMs.push(seen.elapsedMs)
      one.addedBytes.push(added)
    }
  }
  return figures
}

const emptyFigures = (): Figures => ({
  cpuMicroseconds: [],
  perSecond: [],
  p50Ms: [],
  p99Ms: [],
  elapsedMs: [],
  addedBytes: [],
})

async function runOnce(
  generator: Generator,
  workload: Workload,
  target: Target,
  { forMs, requests }: RoundOptions,
): Promise<{ seen: Seen; cpu: number; added: number }> {
  const headers = { ...workload.headers, ...(await target.headers()) }
  const memoryBefore = target.child.residentBytes()
  let peak = memoryBefore
  const watch = setInterval(() => {
    peak = Math.max(peak, target.child.residentBytes())
  }, 20)
  const before = target.child.cpuMicroseconds()
  const seen = await generator.run({
    url: target.prefix + workload.path,
    method: workload.method,
    headers,
    bodyBytes: workload.bodyBytes ?? 0,
    connections: workload.connections,
    forMs,
    ...(workload.perSecond !== undefined && { perSecond: workload.perSecond }),
    ...(requests !== undefined && { requests }),
  })
  const cpu = target.child.cpuMicroseconds() - before
  clearInterval(watch)
  if (seen.errors > 0 || seen.requests === 0) {
    throw new Error(
      `${target.name} answered ${seen.errors} of ${seen.requests} requests of "${workload.title}" wrongly: ${seen.complaint ?? 'no answer'}`,
    )
  }
  return { seen, cpu, added: peak - memoryBefore }
}
