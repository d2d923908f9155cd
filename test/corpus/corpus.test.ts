import { afterAll, beforeAll, describe, it } from 'vitest'
import { answers } from './answers.ts'
import { endings } from './endings.ts'
import { overlaps } from './overlaps.ts'
import { requests } from './requests.ts'
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
})
