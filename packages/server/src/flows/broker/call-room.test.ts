import { describe, expect, it } from 'vitest'
import type { AgentId, TenantId } from '../../core/ids.ts'
import { createCallRoom } from './call-room.ts'

const callerOf = (agent: string, tenant = 'ten_1') => ({ tenant: tenant as TenantId, agent: agent as AgentId })
const limits = { calls: 3, callsPerAgent: 2, bodyBytes: 100, bodyBytesPerAgent: 60 }
const refusal = expect.objectContaining({ code: 'unavailable', more: { retryAfterSeconds: 1 } })

describe('the room for calls', () => {
  it('is bounded for one agent, so that it never takes the room of the others, and for all', () => {
    const room = createCallRoom(limits)
    room.enter(callerOf('a'))
    room.enter(callerOf('a'))
    expect(() => room.enter(callerOf('a'))).toThrow(refusal)
    const other = room.enter(callerOf('a', 'ten_2'))
    expect(() => room.enter(callerOf('b'))).toThrow(refusal)
    other.leave()
    other.leave()
    room.enter(callerOf('b'))
    expect(room.calls).toBe(3)
  })

  it('is bounded in bytes of bodies, for one agent and for all', () => {
    const room = createCallRoom(limits)
    const a = room.enter(callerOf('a'))
    const b = room.enter(callerOf('b'))
    expect([a.keep(60), a.keep(1), b.keep(41), b.keep(40), b.keep(1)]).toEqual([true, false, false, true, false])
    a.drop(10)
    expect(b.keep(10)).toBe(true)
    expect(room.bodyBytes).toBe(100)
  })

  it('is given back whole when a call ends, whatever still comes for it', () => {
    const room = createCallRoom(limits)
    const a = room.enter(callerOf('a'))
    a.keep(50)
    a.leave()
    expect(a.keep(1)).toBe(false)
    a.drop(50)
    expect([room.calls, room.bodyBytes]).toEqual([0, 0])
  })
})
