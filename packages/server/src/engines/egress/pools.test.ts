import { expect, it } from 'vitest'
import { Pools } from './pools.ts'

function clocked(maxPools: number) {
  const clock = { now: 0 }
  const turns = { active: 1, activePerParty: 1, waiting: 1, waitingPerParty: 1, waitMs: 1_000 }
  const pools = new Pools({ maxPools, turns, reserved: 1, idleMs: 1_000, now: () => clock.now })
  const take = (key: string) => {
    const wants = { key, origin: 'https://a.test', makeConnect: () => () => {}, ready: () => {}, failed: () => {} }
    const { pool, release } = pools.take(wants)
    return { pool: pool!, release }
  }
  return { clock, pools, take }
}

it('a pool without a call for the idle time is closed, one with a call under way is not', async () => {
  const { clock, pools, take } = clocked(10)
  const idle = take('idle')
  take('busy')
  idle.release()
  clock.now = 999
  pools.closeIdle()
  expect(pools.size).toBe(2)
  clock.now = 1_000
  pools.closeIdle()
  expect(pools.size).toBe(1)
  expect(idle.pool.closed).toBe(true)
  await pools.destroy()
})

it('above the bound the longest idle pool makes room', async () => {
  const { clock, pools, take } = clocked(2)
  const first = take('first')
  const second = take('second')
  second.release()
  clock.now = 5
  first.release()
  take('third')
  expect([first.pool.closed, second.pool.closed, pools.size]).toEqual([false, true, 2])
  expect(take('first').pool).toBe(first.pool)
  await pools.destroy()
})
