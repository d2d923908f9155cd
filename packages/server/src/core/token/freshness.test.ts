import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyRefresh } from './classify-refresh.ts'
import { freshness, jitterOf, refreshDueAt, refreshRetryAt } from './freshness.ts'

const obtainedAt = 1_800_000_000_000
const time = fc.integer({ min: 0, max: 400_000_000 })
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('freshness of an access token', () => {
  it('a token that is still valid is served, whatever happened to its refresh (P5)', () => {
    fc.assert(
      fc.property(
        time,
        time,
        fc.option(time, { nil: undefined }),
        jitter,
        fc.boolean(),
        (life, age, retry, j, isRenewable) => {
          const state = freshness({
            accessExpiresAt: obtainedAt + life,
            obtainedAt,
            isRenewable,
            jitter: j,
            now: obtainedAt + age,
            ...(retry !== undefined && { refreshRetryAt: obtainedAt + retry }),
          })
          expect(state.kind === 'expired').toBe(age >= life)
          if (!isRenewable && age < life) expect(state).toEqual({ kind: 'usable' })
        },
      ),
    )
  })

  it('a refresh is early by at most min(10 % of the life, 5 minutes) and at least half of that (row 71)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 400_000_000 }), jitter, (life, j) => {
        const early = Math.min(life / 10, 300_000)
        const before = obtainedAt + life - refreshDueAt(obtainedAt + life, obtainedAt, j)
        expect(before).toBeGreaterThanOrEqual(Math.floor(early / 2))
        expect(before).toBeLessThanOrEqual(early + 1)
      }),
    )
  })

  it('a ten-minute token is not refreshed on every call', () => {
    const token = { accessExpiresAt: obtainedAt + 600_000, obtainedAt, isRenewable: true, jitter: 0 }
    expect(freshness({ ...token, now: obtainedAt + 539_000 }).kind).toBe('usable')
    expect(freshness({ ...token, now: obtainedAt + 541_000 }).kind).toBe('due')
  })

  it('freshness only gets worse as time goes on', () => {
    const order = ['usable', 'due', 'expired']
    fc.assert(
      fc.property(time, time, time, jitter, (life, a, b, j) => {
        const at = (age: number) =>
          freshness({
            accessExpiresAt: obtainedAt + life,
            obtainedAt,
            isRenewable: true,
            jitter: j,
            now: obtainedAt + age,
          })
        const [first, second] = [at(Math.min(a, b)), at(Math.max(a, b))]
        expect(order.indexOf(second.kind)).toBeGreaterThanOrEqual(order.indexOf(first.kind))
      }),
    )
  })

  it('an unknown expiry is not eternal: the entry says, else the first 401 (row 71)', () => {
    const token = { obtainedAt, isRenewable: true, jitter: 0, now: obtainedAt + 3_600_000 }
    expect(freshness(token)).toEqual({ kind: 'unknown_expiry' })
    expect(freshness({ ...token, lifetimeSeconds: 3600 })).toEqual({ kind: 'expired' })
  })

  it('a failed refresh backs off while the token is good, and is told when the token is not', () => {
    const token = {
      accessExpiresAt: obtainedAt + 100_000,
      obtainedAt,
      isRenewable: true,
      jitter: 0,
      refreshRetryAt: obtainedAt + 120_000,
    }
    expect(freshness({ ...token, now: obtainedAt + 95_000 })).toEqual({
      kind: 'backing_off',
      retryAt: obtainedAt + 120_000,
    })
    expect(freshness({ ...token, now: obtainedAt + 110_000 })).toEqual({
      kind: 'expired',
      retryAt: obtainedAt + 120_000,
    })
    expect(freshness({ ...token, now: obtainedAt + 130_000 })).toEqual({ kind: 'expired' })
  })

  it('the wait grows to a minute or so, is never in the past, and is cut at the end of a token that is good (row 72)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        jitter,
        fc.integer({ min: 1, max: 200_000 }),
        (failures, j, left) => {
          const now = obtainedAt
          const wait = refreshRetryAt({ failures, jitter: j, now }) - now
          expect(wait).toBeGreaterThanOrEqual(1_500)
          expect(wait).toBeLessThanOrEqual(75_000)
          const cut = refreshRetryAt({ failures, jitter: j, now, accessExpiresAt: now + left }) - now
          expect(cut).toBeGreaterThanOrEqual(1_000)
          expect(cut).toBeLessThanOrEqual(Math.max(left, 1_000))
        },
      ),
    )
  })

  it('the jitter of a connection is the same everywhere and differs between connections', () => {
    expect(jitterOf('con_a')).toBe(jitterOf('con_a'))
    const many = new Set([...Array(100).keys()].map(n => jitterOf(`con_${n}`)))
    expect(many.size).toBe(100)
    for (const value of many) expect(value >= 0 && value < 1).toBe(true)
  })
})

describe('the verdict on a refresh (row 72)', () => {
  it('only invalid_grant and its kin need a person', () => {
    const error = (name: 'invalid_grant' | 'invalid_client' | 'transient' | 'other') =>
      classifyRefresh({ kind: 'error', error: name, class: name }, 'rotating').kind
    expect(error('invalid_grant')).toBe('needs_person')
    expect(error('invalid_client')).toBe('integration_fault')
    expect(error('transient')).toBe('retry')
    expect(error('other')).toBe('retry')
    expect(classifyRefresh({ kind: 'tokens' }, 'rotating').kind).toBe('renewed')
  })

  it('a rotating refresh token that may have been spent is in doubt, never simply sent again (P5)', () => {
    const lost = { kind: 'unreachable', why: 'cut', sent: true } as const
    for (const refresh of ['rotating', 'optional-rotating', 'unknown'] as const) {
      expect(classifyRefresh(lost, refresh).kind).toBe('in_doubt')
      expect(classifyRefresh({ kind: 'refused', why: 'not JSON' }, refresh).kind).toBe('in_doubt')
    }
    expect(classifyRefresh(lost, 'static').kind).toBe('retry')
    expect(classifyRefresh({ ...lost, sent: false }, 'rotating').kind).toBe('retry')
  })
})
