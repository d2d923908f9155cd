import { describe, expect, it } from 'vitest'
import { createRandom } from './pooled-random.ts'

/** A generator that counts: every byte it gives is told by its place. */
function counting() {
  const drawn: Buffer[] = []
  let next = 0
  const draw = (size: number) => {
    const bytes = Buffer.from(Array.from({ length: size }, () => 1 + (next++ % 250)))
    if (size > 0) drawn.push(bytes)
    return bytes
  }
  return { draw, drawn }
}

describe('pooled random bytes', () => {
  it('gives each drawn byte once, in order, over the edge of a pool', () => {
    const { draw } = counting()
    const random = createRandom(draw)
    const given = Array.from({ length: 300 }, () => random(16)).flatMap(bytes => [...bytes])
    expect(given).toEqual(Array.from({ length: 4_800 }, (_, at) => 1 + (at % 250)))
    expect(new Set(Array.from({ length: 2_000 }, () => createRandom()(16).toString('hex'))).size).toBe(2_000)
  })

  it('keeps nothing of what it gave', () => {
    const { draw, drawn } = counting()
    const random = createRandom(draw)
    random(10)
    random(32)
    expect(drawn[0]!.subarray(0, 42).every(byte => byte === 0)).toBe(true)
    expect(drawn[0]![42]).not.toBe(0)
  })

  it('gives memory that no later draw writes to, and asks the system itself for keys', () => {
    const { draw, drawn } = counting()
    const random = createRandom(draw)
    const first = random(10)
    const before = first.toString('hex')
    for (let i = 0; i < 2_000; i++) random(16)
    expect(first.toString('hex')).toBe(before)
    const key = random(33)
    expect(drawn.at(-1)).toBe(key)
  })
})
