import type { AuditEvent } from '@valetkey/sdk/wire'
import { describe, expect, test } from 'vitest'
import {
  type Attempt,
  judgeExpiry,
  judgeRefusals,
  judgeRevocation,
  judgeTrail,
  judgeWhoseData,
  type TrailExpectation,
} from './judges.ts'

describe('a refusal', () => {
  const refused: Attempt = { what: 'a write', status: 403, code: 'operation_not_permitted', reached: 0 }
  const judge = (...attempts: Attempt[]) => judgeRefusals(attempts, 403, ['operation_not_permitted']).ok

  test('holds when Valetkey said no and the provider saw nothing', () => {
    expect(judge(refused)).toBe(true)
    expect(judge({ what: 'at a real provider', status: 403, code: 'operation_not_permitted' })).toBe(true)
  })

  test.each<[string, Attempt[]]>([
    ['the call went through', [{ what: 'a write', status: 200, reached: 1 }]],
    ['the provider refused instead of Valetkey', [{ what: 'a write', status: 403, reached: 1 }]],
    ['the refusal has another reason', [{ ...refused, code: 'missing_scopes' }]],
    [
      'something else would have refused it as well',
      [{ ...refused, reasons: ['operation_not_permitted', 'missing_scopes'] }],
    ],
    ['the refusal has another status', [{ ...refused, status: 404 }]],
    ['the provider saw the call all the same', [{ ...refused, reached: 1 }]],
    ['one of several attempts was not refused', [refused, { what: 'another', status: 200 }]],
    ['nothing was tried', []],
  ])('does not hold when %s', (_, attempts) => {
    expect(judge(...attempts)).toBe(false)
  })
})

describe('a revocation', () => {
  const before: Attempt = { what: 'before', status: 200 }
  const after: Attempt = { what: 'after', status: 403, code: 'grant_expired', reached: 0 }

  test('holds when the very next call is refused', () => {
    expect(judgeRevocation(before, after).ok).toBe(true)
  })

  test.each<[string, Attempt, Attempt]>([
    ['the next call still works', before, { what: 'after', status: 200, reached: 1 }],
    ['the grant never worked', { ...before, status: 403, code: 'grant_required' }, after],
    ['the next call fails for another reason', before, { ...after, status: 503, code: 'unavailable' }],
  ])('does not hold when %s', (_, first, second) => {
    expect(judgeRevocation(first, second).ok).toBe(false)
  })
})

describe('a crossed expiry', () => {
  const good = { expired: 1, refreshes: 1, statuses: [200, 200, 200] }

  test('holds when all calls are answered by one refresh', () => {
    expect(judgeExpiry(good).ok).toBe(true)
  })

  test.each([
    ['no token had ended', { ...good, expired: 0 }],
    ['each caller refreshed', { ...good, refreshes: 3 }],
    ['nothing was refreshed', { ...good, refreshes: 0 }],
    ['a caller noticed', { ...good, statuses: [200, 401, 200] }],
    ['nobody called', { ...good, statuses: [] }],
  ])('does not hold when %s', (_, seen) => {
    expect(judgeExpiry(seen).ok).toBe(false)
  })
})

describe('whose data came back', () => {
  const digestOf = (person: string, ...texts: string[]) => ({
    person,
    sources: [{ source: 'Mail', provider: 'mail', items: texts.map(text => ({ text })) }],
  })
  const expectations = [
    { person: 'Ada', source: 'Mail', own: ['bridge'], foreign: ['bakery'] },
    { person: 'Ben', source: 'Mail', own: ['bakery'], foreign: ['bridge'] },
  ]
  const good = [digestOf('Ada', 'the bridge'), digestOf('Ben', 'the bakery')]

  test('is told by texts that only one of them has', () => {
    expect(judgeWhoseData(good, expectations, 0).ok).toBe(true)
  })

  test.each([
    ['a text of the other one is there', [digestOf('Ada', 'the bridge', 'the bakery'), good[1]!], 0],
    ['a text of their own is missing', [digestOf('Ada'), good[1]!], 0],
    ['the two are swapped', [digestOf('Ada', 'the bakery'), digestOf('Ben', 'the bridge')], 0],
    ['a digest is missing', [good[0]!], 0],
    ['a token came that the provider never issued', good, 1],
  ])('does not hold when %s', (_, digests, unknownBearers) => {
    expect(judgeWhoseData(digests, expectations, unknownBearers).ok).toBe(false)
  })

  test('does not hold when a service could not be read, whatever else it shows', () => {
    const [ada, ben] = good
    const broken = { ...ada!, sources: [{ ...ada!.sources[0]!, fault: 'refused' }] }
    expect(judgeWhoseData([broken, ben!], expectations, 0)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('refused'),
    })
  })

  test('does not hold when nothing is expected', () => {
    expect(judgeWhoseData(good, [], 0).ok).toBe(false)
  })
})

describe('the audit trail', () => {
  const event = (id: string, type: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
    id,
    type,
    time: '2030-01-01T00:00:00.000Z',
    outcome: 'allowed',
    agent: 'agt_1',
    ...more,
  })
  const expected: TrailExpectation = {
    agent: 'agt_1',
    reads: [{ user: 'usr_1', connection: 'con_1' }],
    denials: 1,
  }
  const good = [
    event('1', 'access.allowed', { user: 'usr_1', connection: 'con_1' }),
    event('2', 'access.completed', { of: '1' }),
    event('3', 'access.denied'),
  ]
  const holds = { ok: true, events: 3 }

  test('holds when reads, outcomes and refusals are there and the chain verifies', () => {
    expect(judgeTrail(good, expected, holds).ok).toBe(true)
  })

  test.each<[string, AuditEvent[]]>([
    ['an outcome is missing', [good[0]!, good[2]!]],
    ['a refusal is missing', [good[0]!, good[1]!]],
    ['the refusal is of another agent', [good[0]!, good[1]!, { ...good[2]!, agent: 'agt_2' }]],
    ['the read is another user’s', [{ ...good[0]!, user: 'usr_2' }, good[1]!, good[2]!]],
    ['the read is another agent’s', [{ ...good[0]!, agent: 'agt_2' }, good[1]!, good[2]!]],
    ['it is empty', []],
  ])('does not hold when %s', (_, events) => {
    expect(judgeTrail(events, expected, holds).ok).toBe(false)
  })

  test('does not hold when it does not verify, or when nothing was expected of it', () => {
    expect(judgeTrail(good, expected, { ok: false, reason: 'leaf' }).ok).toBe(false)
    expect(judgeTrail(good, { ...expected, reads: [] }, holds).ok).toBe(false)
  })
})
