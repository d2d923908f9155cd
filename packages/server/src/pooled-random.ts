import { randomBytes } from 'node:crypto'

/** Drawn at once: a draw from the system costs more than everything else about an id. */
const poolBytes = 4_096
/** Longer draws are for keys, which are rare, and go to the system directly. */
const mostPooled = 32

/**
 * Random bytes of the system's generator, drawn in advance for small demands (ids, salts, nonces). Each byte is given out
 * once, and what was handed over is wiped from the pool.
 */
export function createRandom(draw: (size: number) => Buffer = randomBytes): (size: number) => Buffer {
  let pool = draw(0)
  let at = 0
  return size => {
    if (size > mostPooled) return draw(size)
    if (at + size > pool.length) {
      pool = draw(poolBytes)
      at = 0
    }
    const given = Buffer.allocUnsafeSlow(size)
    for (let i = 0; i < size; i++) {
      given[i] = pool[at]!
      pool[at++] = 0
    }
    return given
  }
}
