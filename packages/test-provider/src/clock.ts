/**
 * The provider's own time. What the provider issues ages by it, so that a test crosses an expiry without sleeping.
 * `baseNow` is the time outside: assertions of clients and id tokens are judged by and made with it, because the other
 * side's clock does not jump when this one is advanced.
 */
export interface ProviderClock {
  /** Milliseconds since the epoch, as the provider sees it. */
  now(): number
  /** Moves the provider's time forward; a negative number is refused because issued tokens would come back to life. */
  advance(seconds: number): void
}

/** A clock that runs with `baseNow` and is ahead of it by what was advanced. */
export function createClock(baseNow: () => number): ProviderClock {
  let aheadMilliseconds = 0
  return {
    now: () => baseNow() + aheadMilliseconds,
    advance(seconds) {
      if (!Number.isFinite(seconds) || seconds < 0) {
        throw new TypeError(`clock.advance takes a number of seconds that is not negative, got ${seconds}`)
      }
      aheadMilliseconds += seconds * 1000
    },
  }
}
