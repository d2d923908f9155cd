import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What is asked of the process; the real one unless a test gives another. */
export interface Vitals {
  /** Microseconds of CPU that all threads have used so far. */
  readonly cpuMicroseconds: () => number
  readonly residentBytes: () => number
  /** Collects all garbage at once, giving pages back to the system. */
  readonly collect: () => void
}

const periodMs = 5_000
/** After the ready line, when nobody waits for the start any more. */
const startMs = 250
/** Less work than this in a period is none. */
const idleMicroseconds = 100_000
/** Below this nothing is worth a pause. */
const worthBytes = 160 * 1024 * 1024

/**
 * Gives back what a busy hour left behind: V8 keeps its heap as large as the load made it, some 100 MB here, until it
 * needs the room. After two quiet periods that follow work one full collection is made (about 70 ms, while nobody waits).
 * Returns what to call every five seconds.
 */
export function createIdleCollector(vitals: Vitals): () => void {
  let before = vitals.cpuMicroseconds()
  let quiet = 0
  let isDue = true
  return () => {
    const now = vitals.cpuMicroseconds()
    const isQuiet = now - before < idleMicroseconds
    before = now
    if (!isQuiet) {
      quiet = 0
      isDue = true
      return
    }
    quiet++
    if (!isDue || quiet < 2) return
    isDue = false
    if (vitals.residentBytes() < worthBytes) return
    vitals.collect()
    before = vitals.cpuMicroseconds()
  }
}

/** Starts it for this process, by a timer that keeps nothing alive. */
export function collectWhenIdle(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void
  const vitals: Vitals = {
    cpuMicroseconds: () => {
      const { user, system } = process.cpuUsage()
      return user + system
    },
    residentBytes: () => process.memoryUsage.rss(),
    collect: () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  }
  const tick = createIdleCollector(vitals)
  setInterval(tick, periodMs).unref()
  // What starting left behind: sources, their trees, tables that were read once. 20 MB and more.
  setTimeout(() => vitals.collect(), startMs).unref()
}
