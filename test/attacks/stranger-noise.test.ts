import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { mostOnRecord } from '../../packages/server/src/flows/connect/stranger-refusals.ts'
import { onBoth, type Rig, startRig } from '../rig.ts'

/** Somebody without any token makes as much trouble as a socket allows. */
describe.each(onBoth)('a stranger on $database', ({ database }) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({ database })
  })
  afterAll(() => rig.close())

  async function refusals() {
    const answer = await rig.asOperator('GET', '/v1/audit/events?type=connection.refused&limit=200')
    return answer.body.data as { readonly facts: { readonly reason: string; readonly left_out?: number } }[]
  }

  it('cannot hold the server up by a callback of many thousand parameters (row 98)', async () => {
    const form = Array.from({ length: 20_000 }, (_, i) => i.toString(36))
      .join('&')
      .slice(0, 16_000)
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const posted = await rig.call('POST', '/callback/int_x', form, { headers: type })
    const back = new URL(posted.headers.get('location')!)
    const startedAt = performance.now()
    const answer = await rig.call('GET', `${back.pathname}${back.search}`)
    expect(answer.status).toBe(400)
    // Each name searched for among all of them took most of a second.
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  it('cannot fill the record: callbacks that belong to no flow are counted from some number on', async () => {
    for (let i = 0; i < mostOnRecord + 15; i++)
      expect((await rig.call('GET', `/callback/int_x?state=${i}`)).status).toBe(400)
    expect((await refusals()).length).toBe(mostOnRecord)
    rig.advance(61)
    await rig.call('GET', '/callback/int_x?state=later')
    const [last, ...before] = await refusals()
    expect(last?.facts).toMatchObject({ reason: 'state_unknown', left_out: expect.any(Number) })
    // The one of the test above is among those on the record.
    expect(last?.facts.left_out).toBe(16)
    expect(before.length).toBe(mostOnRecord)
  })
})

describe('a stranger with patience', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig()
  })
  afterAll(() => rig.close())

  it.each(['/connect/x', '/callback/int_x', '/v1/grants', '/proxy/con_x/y', '/nothing'])(
    'cannot keep a connection by a body that trickles in: %s (row 98)',
    async path => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      try {
        const socket = connect(Number(new URL(rig.url).port), '127.0.0.1')
        socket.on('error', () => {}).resume()
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\na`,
        )
        for (let turns = 0; turns < 2_000 && !socket.closed; turns++) {
          await new Promise(resolve => setImmediate(resolve))
          vi.advanceTimersByTime(1_000)
        }
        expect(socket.closed).toBe(true)
      } finally {
        vi.useRealTimers()
      }
    },
  )
})
