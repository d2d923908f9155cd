import { type AuditEvent, personalMembers } from '@valetkey/contract/events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TenantId } from '../ids.ts'
import { canonicalJson } from './canonical-json.ts'
import { emptyHead, linkLeaf } from './chain.ts'
import { commitEvent, fromRow, leafOf, type Salts, saltedMembersOf, toRow } from './record.ts'

const tenant = 'ten_00000000000000000000000001' as TenantId

/** Has every member, so that nothing can be left out of the hash unseen. */
const full: Required<AuditEvent> = {
  id: 'evt_00000000000000000000000001',
  time: '2026-03-01T10:20:30.456Z',
  type: 'access.allowed',
  outcome: 'allowed',
  user: 'usr_00000000000000000000000001',
  agent: 'agt_00000000000000000000000001',
  app: 'app_00000000000000000000000001',
  task: 'tsk_00000000000000000000000001',
  actor_chain: ['agt_00000000000000000000000001', 'usr_00000000000000000000000001'],
  connection: 'con_00000000000000000000000001',
  integration: 'int_00000000000000000000000001',
  provider: 'example',
  operation: 'example.messages.list',
  resource_type: 'messages',
  action: 'list',
  resource_ids: ['C1', 'Ü2'],
  grant: 'grt_00000000000000000000000001',
  request_id: 'req_00000000000000000000000001',
  of: 'evt_00000000000000000000000000',
  decision: { reasons: ['granted'], policy_version: '1' },
  http: {
    path_template: '/m/{id}',
    method: 'GET',
    host: 'api.example',
    status: 200,
    bytes_in: 0,
    bytes_out: 9,
    duration_ms: 3,
  },
  ip: '192.0.2.7',
  facts: { zulu: true, alpha: 1, list: ['a'] },
}
const salts: Salts = Object.fromEntries(
  personalMembers.map((member, i) => [member, Buffer.alloc(16, i + 1).toString('base64url')]),
)

describe('the leaf of an audit event (P8)', () => {
  // Computed by another implementation, from the description of the format alone.
  test('the leaf, the commitments and the head of one full event are pinned', () => {
    const { leaf, commitments } = commitEvent(full, tenant, salts)
    expect({ leaf, head: linkLeaf(emptyHead, 'node-a', 1, leaf), commitments }).toEqual({
      leaf: '3a35b2a48e1984981d4ba487d76969a09403da3ac8b2545aeb2734c403a6ce42',
      head: '673e13005115ff7256469956b38c9bd953eee43c4bf9e01e68b62252cf2eb673',
      commitments: {
        user: 'rsnMANVsDiLP9LFzk1ovyAiOQpTUNqu-KamggeL5hXU',
        resource_ids: 'N-W7ikPFSgDg9Bts7KmEs72c9r7QuILuyHT6h31spQs',
        ip: 'edK3uuMxfb-SmboxxXNIPuJPS1__pLRko3lOr1coTFA',
        connection: 'ZvipbQ9KOKe1PJjEIKx8ql6kAMGGqmhld4DOaF2_VOs',
        actor_chain: 'MH4tSv7-MZ8VnOeLPTDxbPhyOHDZZDwuXwFs-p7r6q8',
        task: '7nkl_3Xcczzo8ozlaXPoTIeuMJPcoFKTVY_jM7hJ8P8',
      },
    })
  })

  test('every member of an event is covered: changing or removing any gives another leaf', () => {
    const { leaf } = commitEvent(full, tenant, salts)
    for (const member of Object.keys(full) as (keyof AuditEvent)[]) {
      const changed = { ...full, [member]: other(full[member]) } as AuditEvent
      expect(commitEvent(changed, tenant, salts).leaf, member).not.toBe(leaf)
      if (['id', 'time', 'type', 'outcome'].includes(member)) continue
      const { [member]: _, ...without } = full
      const { [member as 'user']: __, ...saltsLeft } = salts
      expect(commitEvent(without as AuditEvent, tenant, saltsLeft).leaf, member).not.toBe(leaf)
    }
    expect(commitEvent(full, 'ten_00000000000000000000000002' as TenantId, salts).leaf).not.toBe(leaf)
  })

  test('the order of members, at any depth, does not change the leaf', () => {
    const turned = Object.fromEntries(
      Object.entries({ ...full, http: Object.fromEntries(Object.entries(full.http).reverse()) }).reverse(),
    )
    expect(commitEvent(turned as unknown as AuditEvent, tenant, salts).leaf).toBe(commitEvent(full, tenant, salts).leaf)
  })

  test('personal columns and their salts are not needed to compute the leaf, so that erasing keeps the proof', () => {
    const row = toRow(full, tenant, salts)
    const erased = { ...row, ...Object.fromEntries(personalMembers.map(member => [member, null])) }
    expect(leafOf(erased)).toBe(row.leaf)
  })

  test('the same person under another salt has another commitment', () => {
    const again = commitEvent(full, tenant, { ...salts, user: Buffer.alloc(16, 99).toString('base64url') })
    expect(again.commitments.user).not.toBe(commitEvent(full, tenant, salts).commitments.user)
  })
})

describe('the row of an audit event', () => {
  test('fromRow undoes toRow', () => {
    expect(fromRow({ ...toRow(full, tenant, salts), stream: 'node-a', seq: 1, head: emptyHead })).toEqual(full)
    const bare: AuditEvent = { id: full.id, time: full.time, type: 'key.rotated', outcome: 'ok' }
    expect(fromRow({ ...toRow(bare, tenant, {}), stream: 'node-a', seq: 1, head: emptyHead })).toEqual(bare)
  })

  test('saltedMembersOf names the personal members that are there', () => {
    expect(saltedMembersOf(full).toSorted()).toEqual([...personalMembers].toSorted())
    expect(
      saltedMembersOf({ id: full.id, time: full.time, type: 'login.failed', outcome: 'denied', ip: '::1' }),
    ).toEqual(['ip'])
  })

  test.each<[string, object, Salts]>([
    ['a member that has no column', { ...full, body: 'x' }, salts],
    ['a time in another form', { ...full, time: '2026-03-01T10:20:30Z' }, salts],
    ['text that a database would alter', { ...full, operation: 'a\0b' }, salts],
    ['text that has no UTF-8 form', { ...full, operation: '\ud800' }, salts],
    ['a number where text belongs', { ...full, operation: 7 }, salts],
    ['a personal member without a salt', full, {}],
    [
      'a salt for a member that is not there',
      { id: full.id, time: full.time, type: 'revocation', outcome: 'ok' },
      { user: salts.user! },
    ],
    ['a salt that is too short', full, { ...salts, user: 'AAAA' }],
    ['a number that JSON has not', { ...full, facts: { n: Number.NaN } }, salts],
  ])('%s is refused', (_, event, given) => {
    expect(() => toRow(event as AuditEvent, tenant, given)).toThrow(TypeError)
  })

  test('canonical JSON is JSON, and does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value))
      }),
    )
    expect(canonicalJson({ b: [1, { d: 1, c: 2 }], a: undefined, B: null })).toBe('{"B":null,"b":[1,{"c":2,"d":1}]}')
  })
})

function other(value: unknown): unknown {
  if (typeof value === 'string') return /^\d{4}-/.test(value) ? '2026-03-01T10:20:30.457Z' : `${value}x`
  return Array.isArray(value) ? [...value, 'x'] : { ...(value as object), more: 1 }
}
