import { randomBytes } from 'node:crypto'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { makeNeedles } from '../../core/scrub/needles.ts'
import { InflatedWatch, lookAtOnce, mostWindowBytes } from './inflated-watch.ts'

const secret = 'at_0123456789abcdef~+/='
const needles = makeNeedles([secret])

async function watched(coding: 'gzip' | 'br', body: Buffer, step: number): Promise<string | undefined> {
  const watch = new InflatedWatch(coding, needles)
  for (let at = 0; at < body.length; at += step) {
    const fault = await watch.check(body.subarray(at, at + step))
    if (fault !== undefined) return fault
  }
  return watch.finish()
}

describe('a compressed body that is looked into (P1)', () => {
  it.each(['gzip', 'br'] as const)('shows its secret wherever its chunks begin and end: %s', async coding => {
    const compress = coding === 'gzip' ? gzipSync : brotliCompressSync
    const filler = randomBytes(3_000).toString('hex')
    const harmless = compress(`${filler}${secret.slice(0, -1)}${filler}`)
    const body = compress(`${filler}${secret}${filler}`)
    for (const step of [1, 7, 64, 1_000, 100_000]) {
      expect([step, await watched(coding, harmless, step)]).toEqual([step, undefined])
      expect([step, await watched(coding, body, step)]).toEqual([step, 'secret'])
    }
    expect(lookAtOnce(coding, needles, harmless)).toBeUndefined()
    expect(lookAtOnce(coding, needles, body)).toBe('secret')
    expect(lookAtOnce(coding, needles, compress(Buffer.alloc(1_000_000)))).toBe('larger')
  })

  it('is free until no part of a secret can follow: so far, and no farther, it may go on', async () => {
    const watch = new InflatedWatch('gzip', needles)
    // Stored, not squeezed, so that each byte comes out as it goes in.
    const body = gzipSync(`begin ${secret.slice(0, 10)}x end`, { level: 0 })
    const beginning = body.indexOf('at_')
    await watch.check(body.subarray(0, beginning))
    expect([watch.inflated, watch.safeUntil]).toEqual([6, 6])
    await watch.check(body.subarray(beginning, beginning + 10))
    // The compressed bytes themselves begin to spell it as well.
    expect([watch.inflated, watch.safeUntil]).toEqual([16, -1])
    await watch.check(body.subarray(beginning + 10))
    expect(watch.safeUntil).toBe(watch.inflated)
    expect(await watch.finish()).toBeUndefined()
  })

  it('takes no more memory for all of them than is set, and gives it back', async () => {
    const body = brotliCompressSync(randomBytes(1_000), { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } })
    const most = mostWindowBytes / (16 * 1024 * 1024)
    const watches = Array.from({ length: most + 1 }, () => new InflatedWatch('br', needles))
    const faults: (string | undefined)[] = []
    for (const watch of watches) faults.push(await watch.check(body.subarray(0, 1)))
    expect(faults.filter(fault => fault === undefined)).toHaveLength(most)
    expect(faults.at(-1)).toBe('no_room')
    for (const watch of watches) watch.close()
    expect(await watched('br', body, 100)).toBeUndefined()
  })
})
