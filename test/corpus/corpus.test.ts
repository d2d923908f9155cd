import { afterAll, beforeAll, describe, it, vi } from 'vitest'
import { httpLimits } from '../../packages/server/src/edges/http/http-limits.ts'
import { answers } from './answers.ts'
import { endings } from './endings.ts'
import { overlaps } from './overlaps.ts'
import { requests } from './requests.ts'
import { pressure, slowness } from './slowness.ts'
import { openStage, type Stage } from './stage.ts'

/**
 * Raw bytes at both ends of the real server, for whatever transport serves the hot path. Every case ends with an
 * unrelated request on a new connection, and with a look at the record.
 */
describe('the transport (row 98)', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => stage.close())

  describe('as a client writes', () => {
    it.each(requests)('$name', given => stage.run(given))
  })

  describe('as a provider answers', () => {
    it.each(answers)('$name', given => stage.run(given))
  })

  describe('as connections end', () => {
    it.each(endings)('$name', given => stage.run(given))
  })

  describe('as things overlap', () => {
    it.each(overlaps)('$name', given => stage.run(given))
  })

  describe('under pressure', () => {
    it.each(pressure)('$name', given => stage.run(given))
  })
})

describe('the transport with short patience (row 98)', () => {
  let stage: Stage
  const { headersMs, checkMs } = httpLimits
  beforeAll(async () => {
    Object.assign(httpLimits, { headersMs: 300, checkMs: 50 })
    stage = await openStage({ world: { egress: { headersTimeoutMs: 400, bodyTimeoutMs: 400 } } })
  })
  afterAll(async () => {
    Object.assign(httpLimits, { headersMs, checkMs })
    await stage.close()
  })

  it.each(slowness)('$name', async given => {
    if (given.name.includes('upload'))
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true })
    try {
      await stage.run(given)
    } finally {
      vi.useRealTimers()
    }
  })
})
