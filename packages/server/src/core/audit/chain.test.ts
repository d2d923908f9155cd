import { type AuditEvent, eventTypes } from '@valetkey/contract/events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TenantId } from '../ids.ts'
import { emptyHead, headTuple, placeRow, type StreamHead, type Verdict, verifyStream } from './chain.ts'
import { type AuditRow, type Salts, saltedMembersOf, toRow } from './record.ts'

const tenant = 'ten_00000000000000000000000001' as TenantId
const start: StreamHead = { tenant, stream: 'node-a', seq: 0, head: emptyHead }
const length = 8

interface Stored {
  readonly rows: readonly AuditRow[]
  readonly salts: ReadonlyMap<string, Salts>
  readonly head: StreamHead
}

function eventOf(n: number): AuditEvent {
  return {
    id: `evt_${String(n).padStart(26, '0')}`,
    time: `2026-03-01T10:20:30.${String(n).padStart(3, '0')}Z`,
    type: eventTypes[n % eventTypes.length]!,
    outcome: 'ok',
    agent: 'agt_00000000000000000000000001',
    ...(n % 2 === 0 && { user: `usr_${String(n % 4).padStart(26, '0')}`, ip: '192.0.2.1', resource_ids: ['C1'] }),
    ...(n % 3 === 0 && { http: { method: 'GET', host: 'api.example', path_template: '/m' }, facts: { n } }),
  }
}

const stored: Stored = (() => {
  const rows: AuditRow[] = []
  const salts = new Map<string, Salts>()
  let at = start
  for (let n = 1; n <= length; n++) {
    const event = eventOf(n)
    const own: Salts = Object.fromEntries(
      saltedMembersOf(event).map((member, i) => [member, Buffer.alloc(16, n * 10 + i).toString('base64url')]),
    )
    const placed = placeRow(toRow(event, tenant, own), at)
    rows.push(placed.row)
    salts.set(event.id, own)
    at = placed.at
  }
  return { rows, salts, head: at }
})()

/** As the store verifies: rows in the order of `seq`, salts by the row's id. */
function verify(rows: readonly AuditRow[], more: Partial<Stored> & { covered?: boolean } = {}): Verdict {
  const { salts = stored.salts, head = stored.head, covered = false } = more
  const verifier = verifyStream(start, () => covered)
  for (const row of rows.toSorted((a, b) => Number(a.seq) - Number(b.seq))) verifier.next(row, salts.get(row.id) ?? {})
  return verifier.finish(head)
}

function changed(column: unknown): unknown {
  if (typeof column === 'number') return column
  return column === null ? 'x' : `${column}x`
}

describe('the chain of a stream (P2, P8, row 84)', () => {
  test('what was written verifies', () => {
    expect(verify(stored.rows)).toEqual({ ok: true })
  })

  test('any change of any column of any row is found, and that row is named', () => {
    const columns = Object.keys(stored.rows[0]!).filter(name => name !== 'seq') as (keyof AuditRow)[]
    const place = fc.nat(length - 1)
    const how = fc.constantFrom<(column: unknown) => unknown>(
      changed,
      column => (column === null ? '' : null),
      () => '',
      () => 7,
      () => Buffer.from('x'),
      column => (typeof column === 'string' ? `${column} ` : ' '),
    )
    fc.assert(
      fc.property(place, fc.constantFrom(...columns), how, (k, column, alter) => {
        const row = stored.rows[k]!
        const altered = { ...row, [column]: alter(row[column]) } as AuditRow
        const verdict = verify(stored.rows.with(k, altered))
        expect(verdict).toMatchObject({ ok: false, event: String(altered.id) })
      }),
      { numRuns: 3000 },
    )
  })

  test('values swapped between two rows are found at the first of them, in every column', () => {
    const columns = Object.keys(stored.rows[0]!).filter(name => name !== 'seq') as (keyof AuditRow)[]
    for (const column of columns) {
      const [a, b] = [stored.rows[1]!, stored.rows[5]!]
      if (a[column] === b[column]) continue
      const rows = stored.rows.with(1, { ...a, [column]: b[column] }).with(5, { ...b, [column]: a[column] })
      expect(verify(rows), column).toMatchObject({ ok: false, event: column === 'id' ? b.id : a.id })
    }
  })

  test('a renumbered row is found', () => {
    for (const seq of [0, 1, 4, 99, -1, 2.5]) {
      expect(verify(stored.rows.with(2, { ...stored.rows[2]!, seq }))).toMatchObject({ ok: false })
    }
  })

  test('a removed row is found at the row after it', () => {
    for (let k = 0; k < length - 1; k++) {
      expect(verify(stored.rows.toSpliced(k, 1))).toMatchObject({
        ok: false,
        event: stored.rows[k + 1]!.id,
        reason: 'gap',
      })
    }
  })

  test('a removed row is found also when those after it are renumbered to close the gap', () => {
    const closed = stored.rows.toSpliced(2, 1).map((row, i) => ({ ...row, seq: i + 1 }))
    expect(verify(closed)).toMatchObject({ ok: false, event: stored.rows[3]!.id, reason: 'head_mismatch' })
  })

  test('any two rows that change places are found at the first place', () => {
    const places = fc.tuple(fc.nat(length - 1), fc.nat(length - 1)).filter(([a, b]) => a < b)
    fc.assert(
      fc.property(places, fc.boolean(), ([a, b], withHeads) => {
        const [first, second] = [stored.rows[a]!, stored.rows[b]!]
        const here = { ...second, seq: first.seq, ...(!withHeads && { head: first.head }) }
        const there = { ...first, seq: second.seq, ...(!withHeads && { head: second.head }) }
        expect(verify(stored.rows.with(a, here).with(b, there))).toMatchObject({ ok: false, event: second.id })
      }),
    )
  })

  test('a row inserted, or written twice, is found', () => {
    const twice = [...stored.rows.slice(0, 3), stored.rows[2]!, ...stored.rows.slice(3)]
    expect(verify(twice)).toMatchObject({ ok: false, event: stored.rows[2]!.id, reason: 'gap' })
  })

  test('a tail cut off is found against the stored head', () => {
    for (let kept = 0; kept < length; kept++) {
      expect(verify(stored.rows.slice(0, kept))).toMatchObject({
        ok: false,
        reason: 'truncated',
        event: stored.rows[kept - 1]?.id ?? '',
      })
    }
  })

  test('a stored head that is gone, older or of another stream is found', () => {
    const verifier = verifyStream(start)
    for (const row of stored.rows) verifier.next(row, stored.salts.get(row.id)!)
    expect(verifier.finish(undefined)).toMatchObject({ ok: false, reason: 'head_missing' })
    for (const head of [
      { ...stored.head, seq: length - 1, head: stored.rows[length - 2]!.head },
      { ...stored.head, head: emptyHead },
      { ...stored.head, stream: 'node-b' },
    ]) {
      expect(verify(stored.rows, { head })).toMatchObject({ ok: false, reason: 'head_mismatch' })
    }
    expect(verifyStream(start).finish(undefined)).toEqual({ ok: true })
  })

  test('verification can go on from a head that was verified before', () => {
    const at = { ...start, seq: 3, head: stored.rows[2]!.head }
    const verifier = verifyStream(at)
    for (const row of stored.rows.slice(3)) expect(verifier.next(row, stored.salts.get(row.id)!)).toEqual({ ok: true })
    expect(verifier.at).toEqual(stored.head)
  })

  test('the first fault stands', () => {
    const rows = stored.rows
      .with(2, { ...stored.rows[2]!, outcome: 'denied' })
      .with(4, { ...stored.rows[4]!, outcome: 'denied' })
    expect(verify(rows)).toMatchObject({ event: stored.rows[2]!.id, reason: 'leaf_mismatch' })
  })
})

describe('erasure', () => {
  const k = 3
  const row = stored.rows[k]!
  const erasedRow: AuditRow = { ...row, user: null }
  const { user: _, ...saltsLeft } = stored.salts.get(row.id)!
  const withoutSalt = new Map(stored.salts).set(row.id, saltsLeft)

  test('a personal value without its salt is good only when a later event covers it', () => {
    const rows = stored.rows.with(k, erasedRow)
    expect(verify(rows, { salts: withoutSalt })).toMatchObject({ event: row.id, reason: 'erased_without_event' })
    expect(verify(rows, { salts: withoutSalt, covered: true })).toEqual({ ok: true })
  })

  test('a value that stays, or is set, after its salt is gone proves nothing and is a fault', () => {
    expect(verify(stored.rows, { salts: withoutSalt, covered: true })).toMatchObject({ reason: 'commitment_mismatch' })
  })

  test('a value that is gone while its salt is there is a fault', () => {
    expect(verify(stored.rows.with(k, erasedRow), { covered: true })).toMatchObject({ reason: 'commitment_mismatch' })
  })

  test('any altered salt is a fault, and so is one that was added', () => {
    const altered = new Map(stored.salts).set(row.id, {
      ...saltsLeft,
      user: Buffer.alloc(16, 77).toString('base64url'),
    })
    expect(verify(stored.rows, { salts: altered })).toMatchObject({ event: row.id, reason: 'commitment_mismatch' })
    const longer = new Map(stored.salts).set(row.id, { ...saltsLeft, user: `${stored.salts.get(row.id)!.user}AA` })
    expect(verify(stored.rows, { salts: longer })).toMatchObject({ event: row.id, reason: 'commitment_mismatch' })
    const added = new Map(stored.salts).set(row.id, {
      ...saltsLeft,
      ...stored.salts.get(row.id)!,
      task: 'AAAAAAAAAAAAAAAAAAAAAA',
    })
    expect(verify(stored.rows, { salts: added })).toMatchObject({ event: row.id, reason: 'commitment_mismatch' })
  })
})

describe('placing a row', () => {
  test('a row of another tenant has no place in a stream', () => {
    const other = { ...start, tenant: 'ten_00000000000000000000000002' as TenantId }
    expect(() => placeRow(stored.rows[0]!, other)).toThrow(TypeError)
  })

  test('the maced form of a head tells tenant, stream, sequence and head apart', () => {
    const forms = [
      start,
      { ...start, seq: 1 },
      { ...start, stream: 'b' },
      { ...start, head: 'f' },
      { ...start, tenant: 't' as TenantId },
    ]
    expect(new Set(forms.map(form => headTuple(form).toString('hex'))).size).toBe(forms.length)
  })
})
