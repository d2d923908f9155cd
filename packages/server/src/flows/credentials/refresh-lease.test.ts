import { describe, expect, it } from 'vitest'
import { doubtMs, judgeLease } from './refresh-lease.ts'

const now = 1_000_000
const alive = { now, isDead: false, mayRotate: true }
const held = { generation: 3, leaseHolder: 'one.x', leaseGeneration: 3, accessExpiresAt: now + 60_000 }

describe('a refresh lease (P5)', () => {
  it('is free while nobody took it, or when it was taken for a generation that is gone', () => {
    expect(judgeLease({ generation: 3 }, alive)).toEqual({ kind: 'free', afterDoubt: false })
    expect(judgeLease({ ...held, leaseGeneration: 2, leaseUntil: now + 1 }, alive)).toMatchObject({ kind: 'free' })
  })

  it('keeps others away until it ends', () => {
    expect(judgeLease({ ...held, leaseUntil: now + 1 }, alive)).toEqual({ kind: 'busy', until: now + 1 })
  })

  it('that ended without being given back leaves the refresh in doubt while the access token works', () => {
    const over = { ...held, leaseUntil: now - 10 * doubtMs }
    expect(judgeLease(over, alive)).toEqual({ kind: 'in_doubt', retryAt: now + 60_000 })
  })

  it('in doubt is taken again only when the access token is dead and the lease half a minute gone', () => {
    const dead = { ...alive, isDead: true }
    const fresh = { ...held, leaseUntil: now - doubtMs + 1 }
    expect(judgeLease(fresh, dead)).toEqual({ kind: 'in_doubt', retryAt: now + 1 })
    expect(judgeLease({ ...held, leaseUntil: now - doubtMs }, dead)).toEqual({ kind: 'free', afterDoubt: true })
    const expired = { ...held, accessExpiresAt: now, leaseUntil: now - doubtMs }
    expect(judgeLease(expired, alive)).toEqual({ kind: 'free', afterDoubt: true })
  })

  it('of a refresh token that is never spent is free as soon as it ends', () => {
    const rule = { ...alive, mayRotate: false }
    expect(judgeLease({ ...held, leaseUntil: now }, rule)).toEqual({ kind: 'free', afterDoubt: false })
  })
})
