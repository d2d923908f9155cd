import { describe, expect, it, vi } from 'vitest'
import { EgressFailure } from './egress.ts'
import { Turns } from './turns.ts'

function turnsOf(limits: Partial<ConstructorParameters<typeof Turns>[0]> = {}) {
  const turns = new Turns({ active: 4, activePerParty: 2, waiting: 6, waitingPerParty: 4, waitMs: 1_000, ...limits })
  const begun: string[] = []
  const failed: EgressFailure[] = []
  const enter = (party: string, name = party) => {
    const turn = turns.enter(party, { ready: () => begun.push(name), failed: failure => failed.push(failure) })
    if (turn.isNow) begun.push(name)
    return turn.leave
  }
  return { turns, begun, failed, enter }
}

describe('turns at one origin', () => {
  it('leave room for others when one party takes all it may', () => {
    const { enter, begun, turns } = turnsOf()
    for (const name of ['a1', 'a2', 'a3', 'a4']) enter('a', name)
    enter('b', 'b1')
    expect(begun).toEqual(['a1', 'a2', 'b1'])
    expect(turns.waiting).toBe(2)
  })

  it('go round the parties, and within one in order of arrival', () => {
    const { turns } = turnsOf({ active: 1, waiting: 10 })
    const order: string[] = []
    const enter = (party: string, name: string) => {
      const turn = turns.enter(party, {
        ready() {
          order.push(name)
          queueMicrotask(() => turn.leave())
        },
        failed: () => {},
      })
      return turn
    }
    const first = enter('a', 'a1')
    for (const name of ['a2', 'a3', 'a4', 'b1', 'b2', 'c1']) enter(name[0]!, name)
    first.leave()
    return Promise.resolve()
      .then(() => new Promise(resolve => setImmediate(resolve)))
      .then(() => expect(order).toEqual(['a2', 'b1', 'c1', 'a3', 'b2', 'a4']))
  })

  it('refuse at once whoever would be one too many, of a party and of all', () => {
    const { enter } = turnsOf()
    for (let i = 0; i < 6; i++) enter('a')
    expect(() => enter('a')).toThrow(new EgressFailure('busy', 'Too many calls wait for this provider already.', false))
    for (let i = 0; i < 4; i++) enter('b')
    expect(() => enter('c')).toThrow(/Too many/)
  })

  it('forget at once whoever goes away, and give nothing away twice', () => {
    const { enter, begun, turns } = turnsOf({ active: 1 })
    const leaveFirst = enter('a', 'a1')
    const leaveSecond = enter('a', 'a2')
    leaveSecond()
    leaveSecond()
    expect(turns.waiting).toBe(0)
    enter('b', 'b1')
    leaveFirst()
    leaveFirst()
    enter('c', 'c1')
    expect(begun).toEqual(['a1', 'b1'])
  })

  it('end for whoever waited too long', () => {
    vi.useFakeTimers()
    try {
      const { enter, failed, turns } = turnsOf({ active: 1 })
      enter('a')
      enter('a')
      vi.advanceTimersByTime(999)
      expect(failed).toEqual([])
      vi.advanceTimersByTime(1)
      expect(failed).toEqual([expect.objectContaining({ kind: 'timeout', sent: false })])
      expect(turns.waiting).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})
