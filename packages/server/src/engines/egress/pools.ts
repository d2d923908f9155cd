import { Pool } from 'undici'
import { EgressFailure } from './egress.ts'
import { egressLimits } from './egress-limits.ts'
import { type TurnLimits, Turns } from './turns.ts'

interface Entry {
  readonly pool: Pool
  readonly turns: Turns
  /** Calls under way or waiting. */
  calls: number
  lastUsedAt: number
}

export interface PoolsOptions {
  readonly maxPools: number
  readonly turns: TurnLimits
  /** Connections beyond those that take turns, for calls without a party. */
  readonly reserved: number
  readonly idleMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Who wants a pool. */
export interface PoolRequest {
  /** Tenant and origin. */
  readonly key: string
  readonly origin: string
  /** Makes the connector when there is no pool yet. */
  readonly makeConnect: () => Pool.Options['connect']
  /** Whose share of the connections the call takes. Left out: a request of our own, which does not wait. */
  readonly party?: string
  readonly ready: (pool: Pool) => void
  readonly failed: (failure: EgressFailure) => void
}

/**
 * Connection pools by tenant and origin: no connection is shared between tenants, and who waits for one origin stands
 * in nobody's way to another. A pool without a call for `idleMs` is closed; above `maxPools` the longest idle goes
 * first, and a pool with a call never does.
 */
export class Pools {
  readonly #entries = new Map<string, Entry>()
  readonly #options: PoolsOptions
  #sweep: NodeJS.Timeout | undefined

  constructor(options: PoolsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  /** Calls that wait, over all pools. */
  get waiting(): number {
    let sum = 0
    for (const { turns } of this.#entries.values()) sum += turns.waiting
    return sum
  }

  /**
   * The pool, or undefined when the call has to wait and will hear. `release` gives it back or stops waiting. Throws
   * `busy` when too many wait already.
   */
  take(request: PoolRequest): { readonly pool: Pool | undefined; readonly release: () => void } {
    const { key, origin, party } = request
    const entry = this.#entries.get(key) ?? this.#open(key, origin, request.makeConnect())
    const { pool, turns } = entry
    const turn =
      party === undefined ? undefined : turns.enter(party, { ready: () => request.ready(pool), failed: request.failed })
    entry.calls++
    return {
      pool: turn === undefined || turn.isNow ? pool : undefined,
      release: () => {
        entry.calls--
        entry.lastUsedAt = this.#options.now()
        turn?.leave()
      },
    }
  }

  /** New calls get new connections; those under way end by themselves. */
  retireAll(): void {
    for (const key of [...this.#entries.keys()]) this.#close(key)
  }

  /** Closes what has been idle for long enough. */
  closeIdle(): void {
    const before = this.#options.now() - this.#options.idleMs
    for (const [key, entry] of [...this.#entries]) {
      if (entry.calls === 0 && entry.lastUsedAt <= before) this.#close(key)
    }
    if (this.#entries.size === 0) this.#stopSweep()
  }

  async destroy(): Promise<void> {
    this.#stopSweep()
    const pools = [...this.#entries.values()].map(entry => entry.pool)
    this.#entries.clear()
    await Promise.all(pools.map(pool => pool.destroy()))
  }

  #open(key: string, origin: string, connect: Pool.Options['connect']): Entry {
    if (this.#entries.size >= this.#options.maxPools) this.#closeLongestIdle()
    const pool = new Pool(origin, {
      connections: this.#options.turns.active + this.#options.reserved,
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: egressLimits.answerHeaderBytes,
      ...(connect !== undefined && { connect }),
    })
    const entry = { pool, turns: new Turns(this.#options.turns), calls: 0, lastUsedAt: this.#options.now() }
    this.#entries.set(key, entry)
    this.#sweep ??= setInterval(() => this.closeIdle(), Math.max(1_000, this.#options.idleMs / 2)).unref()
    return entry
  }

  #closeLongestIdle(): void {
    const idle = [...this.#entries].filter(([, entry]) => entry.calls === 0)
    idle.sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt)
    if (idle[0] !== undefined) this.#close(idle[0][0])
  }

  #close(key: string): void {
    const entry = this.#entries.get(key)
    this.#entries.delete(key)
    entry?.turns.dismiss(new EgressFailure('aborted', 'The connections to this provider are made anew.', false))
    // Waits for calls under way; a pool that fails to close has nothing left to keep.
    entry?.pool.close().catch(() => {})
  }

  #stopSweep(): void {
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}
