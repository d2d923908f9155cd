import { afterAll, beforeAll, describe, it } from 'vitest'
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
})
