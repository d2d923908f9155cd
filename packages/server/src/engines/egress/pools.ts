import { Pool } from 'undici'

interface Entry {
  readonly pool: Pool
  active: number
  lastUsedAt: number
}

export interface PoolsOptions {
  readonly maxPools: number
  readonly connectionsPerPool: number
  readonly idleMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Answer headers larger than this end the call. */
const maxHeaderBytes = 64 * 1024

/**
 * Connection pools by tenant and origin: no connection is shared between tenants. A pool without a call for `idleMs`
 * is closed; above `maxPools` the longest idle goes first, and a pool with a call under way never does.
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

  /** A pool for this key and the call that gives it back, made with `connect` when there is none. */
  take(key: string, origin: string, makeConnect: () => Pool.Options['connect']): { pool: Pool; release: () => void } {
    const entry = this.#entries.get(key) ?? this.#open(key, origin, makeConnect())
    entry.active++
    return {
      pool: entry.pool,
      release: () => {
        entry.active--
        entry.lastUsedAt = this.#options.now()
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
      if (entry.active === 0 && entry.lastUsedAt <= before) this.#close(key)
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
      connections: this.#options.connectionsPerPool,
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: maxHeaderBytes,
      ...(connect !== undefined && { connect }),
    })
    const entry = { pool, active: 0, lastUsedAt: this.#options.now() }
    this.#entries.set(key, entry)
    this.#sweep ??= setInterval(() => this.closeIdle(), Math.max(1_000, this.#options.idleMs / 2)).unref()
    return entry
  }

  #closeLongestIdle(): void {
    const idle = [...this.#entries].filter(([, entry]) => entry.active === 0)
    idle.sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt)
    if (idle[0] !== undefined) this.#close(idle[0][0])
  }

  #close(key: string): void {
    const entry = this.#entries.get(key)
    this.#entries.delete(key)
    // Waits for calls under way; a pool that fails to close has nothing left to keep.
    entry?.pool.close().catch(() => {})
  }

  #stopSweep(): void {
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}
