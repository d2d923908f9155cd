import { EgressFailure } from './egress.ts'

export interface TurnLimits {
  readonly active: number
  readonly activePerParty: number
  readonly waiting: number
  readonly waitingPerParty: number
  readonly waitMs: number
}

/** What the one who waits hears, once. */
export interface Waiter {
  ready(): void
  /** It waited too long, or there is nothing to wait for any more. */
  failed(failure: EgressFailure): void
}

interface Waiting extends Waiter {
  readonly timer: NodeJS.Timeout
}

/**
 * Who may be under way at one origin. Everybody as long as there is room; then they wait, each party in its own line,
 * and the lines take turns, so that one party with a thousand calls does not stand before another with one. Whoever
 * goes away while waiting is forgotten at once: what hangs upstream must not gather memory here.
 */
export class Turns {
  readonly #limits: TurnLimits
  readonly #active = new Map<string, number>()
  readonly #lines = new Map<string, Set<Waiting>>()
  #activeCount = 0
  #waitingCount = 0

  constructor(limits: TurnLimits) {
    this.#limits = limits
  }

  get waiting(): number {
    return this.#waitingCount
  }

  /** `isNow`: go ahead. Else `waiter` hears when it may. `leave` ends either. Throws when too many wait already. */
  enter(party: string, waiter: Waiter): { readonly isNow: boolean; readonly leave: () => void } {
    const { waiting, waitingPerParty, waitMs } = this.#limits
    if (this.#hasRoom(party)) {
      this.#begin(party)
      return { isNow: true, leave: once(() => this.#end(party)) }
    }
    const line = this.#lines.get(party) ?? new Set()
    if (line.size >= waitingPerParty || this.#waitingCount >= waiting) {
      throw new EgressFailure('busy', 'Too many calls wait for this provider already.', false)
    }
    let leave = () => this.#forget(party, mine)
    const mine: Waiting = {
      ready: () => {
        leave = () => this.#end(party)
        waiter.ready()
      },
      failed: failure => waiter.failed(failure),
      timer: setTimeout(() => {
        this.#forget(party, mine)
        mine.failed(new EgressFailure('timeout', 'No connection to the provider became free in time.', false))
      }, waitMs),
    }
    line.add(mine)
    this.#lines.set(party, line)
    this.#waitingCount++
    return { isNow: false, leave: once(() => leave()) }
  }

  /** Everybody who waits hears this. */
  dismiss(failure: EgressFailure): void {
    for (const [party, line] of [...this.#lines]) {
      for (const one of [...line]) {
        this.#forget(party, one)
        one.failed(failure)
      }
    }
  }

  #hasRoom(party: string): boolean {
    const { active, activePerParty } = this.#limits
    return this.#activeCount < active && (this.#active.get(party) ?? 0) < activePerParty
  }

  #begin(party: string): void {
    this.#activeCount++
    this.#active.set(party, (this.#active.get(party) ?? 0) + 1)
  }

  #end(party: string): void {
    this.#activeCount--
    const left = this.#active.get(party)! - 1
    if (left === 0) this.#active.delete(party)
    else this.#active.set(party, left)
    if (this.#waitingCount > 0) this.#next()
  }

  /** The first of the first line whose party has room; that line goes to the end. */
  #next(): void {
    for (const [party, line] of this.#lines) {
      if (!this.#hasRoom(party)) continue
      const [first] = line
      this.#forget(party, first!)
      if (line.size > 0) {
        this.#lines.delete(party)
        this.#lines.set(party, line)
      }
      this.#begin(party)
      first!.ready()
      return
    }
  }

  #forget(party: string, one: Waiting): void {
    const line = this.#lines.get(party)
    if (line?.delete(one) !== true) return
    clearTimeout(one.timer)
    this.#waitingCount--
    if (line.size === 0) this.#lines.delete(party)
  }
}

function once(leave: () => void): () => void {
  let isLeft = false
  return () => {
    if (isLeft) return
    isLeft = true
    leave()
  }
}
