import { createHmac, randomBytes } from 'node:crypto'
import type { AuditEvent } from '@valetkey/contract/events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../../../../test/databases.ts'
import type { Grant } from '../../core/grant.ts'
import { type Id, makeId } from '../../core/ids.ts'
import type { HeadMac } from './head-mac.ts'

let clock = 1_700_000_000_000
const id = <P extends string>(prefix: P): Id<P> => makeId(prefix, clock++, randomBytes(10))

function anEvent(more: Partial<AuditEvent> = {}): AuditEvent {
  return { id: id('evt'), time: new Date(clock++).toISOString(), type: 'access.allowed', outcome: 'allowed', ...more }
}

const key = randomBytes(32)
const macOf = (tenant: string, data: Uint8Array) => createHmac('sha256', key).update(tenant).update(data).digest('hex')
// Each transaction that appends signs one head: this counts them on both databases.
let signed = 0
const headMac: HeadMac = {
  sign: async (tenant, data) => {
    signed++
    return macOf(tenant, data)
  },
  isGood: async (tenant, data, mac) => macOf(tenant, data) === mac,
}

describe.each(databases())('the audit log on $name', ({ open }) => {
  let database: TestDatabase
  const tenant = id('ten')
  beforeEach(async () => {
    database = await open({ headMac })
    await database.store.createTenant({ id: tenant, name: 'First', createdAt: 7 })
  })
  afterEach(() => database?.close())

  const verify = () => database.store.asTenant(tenant, rows => rows.audit.verify())
  const record = (event: AuditEvent) => database.store.record(tenant, { event })

  function grantWith(more: Partial<Grant>): Grant {
    return {
      id: id('grt'),
      tenant,
      agent: id('agt'),
      connection: id('con'),
      permissions: [],
      paths: [],
      unattended: true,
      grantedBy: id('app'),
      expiresAt: 5_000,
      createdAt: 1_000,
      calls: 0,
      mac: 'k.mac',
      ...more,
    }
  }

  test('events come back as they were recorded, whole and by each filter, newest first', async () => {
    const full = anEvent({
      type: 'access.completed',
      outcome: 'ok',
      user: id('usr'),
      agent: id('agt'),
      app: id('app'),
      task: id('tsk'),
      actor_chain: [id('agt'), id('usr')],
      connection: id('con'),
      integration: id('int'),
      provider: 'one',
      operation: 'one.list',
      resource_type: 'files',
      action: 'list',
      resource_ids: ['a"b', 'ünï'],
      grant: id('grt'),
      request_id: 'r-1',
      of: id('evt'),
      decision: { reasons: ['x'] },
      http: { method: 'GET', host: 'a.example', path_template: '/x', status: 200, bytes_in: 1 },
      ip: '127.0.0.1',
      facts: { count: 3, isIt: true },
    })
    const plain = anEvent()
    await record(full)
    await database.store.change(tenant, rows => rows.audit.append([plain]))
    const query = (filter: object) =>
      database.store.asTenant(tenant, async rows => (await rows.audit.query({ limit: 10, ...filter })).rows)
    expect(await query({})).toEqual([plain, full])
    expect(await database.store.asTenant(tenant, rows => rows.audit.get(full.id as Id<'evt'>))).toEqual(full)
    for (const filter of [
      { user: full.user },
      { agent: full.agent },
      { app: full.app },
      { connection: full.connection },
      { provider: 'one' },
      { resourceType: 'files' },
      { action: 'list' },
      { type: 'access.completed' },
      { outcome: 'ok' },
      { resource: 'a"b' },
      { resource: 'ünï' },
      { task: full.task },
      { request: 'r-1' },
      { until: Date.parse(plain.time) },
    ]) {
      expect(await query(filter), JSON.stringify(filter)).toEqual([full])
    }
    expect(await query({ since: Date.parse(plain.time) })).toEqual([plain])
    for (const none of [{ user: "' or 1=1 --" }, { resource: 'a' }, { resource: 'A"B' }]) {
      expect(await query(none)).toEqual([])
    }
    expect(await verify()).toMatchObject({ ok: true, events: 2, head: expect.stringMatching(/^[0-9a-f]{64}$/) })
  })

  test('a page goes on where the last one ended, also among events of one millisecond', async () => {
    const time = new Date(clock).toISOString()
    const events = Array.from({ length: 7 }, () => anEvent({ time }))
    await Promise.all(events.map(record))
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await database.store.asTenant(tenant, rows =>
        rows.audit.query({ limit: 3, ...(cursor !== undefined && { cursor }) }),
      )
      seen.push(...page.rows.map(event => event.id))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(events.map(event => event.id).reverse())
    await expect(
      database.store.asTenant(tenant, rows => rows.audit.query({ limit: 3, cursor: 'bm8' })),
    ).rejects.toMatchObject({ code: 'validation_failed' })
  })

  test('500 records at once share few transactions and keep the order of their arrival (P2)', async () => {
    signed = 0
    const events = Array.from({ length: 500 }, (_, at) => anEvent({ ip: `10.0.0.${at}` }))
    const outcomes = await Promise.all(events.map(record))
    expect(new Set(outcomes)).toEqual(new Set(['recorded']))
    const rows = await database.raw(`select id from audit_events where stream = 'node:one' order by seq`)
    expect(rows.map(row => row.id)).toEqual(events.map(event => event.id))
    expect(signed).toBeLessThan(10)
    expect(await verify()).toMatchObject({ ok: true, events: 500 })
  })

  test('a budget is spent once per call, also within one batch, and nothing of a call without budget is written', async () => {
    const budget = grantWith({ maxCalls: 3, calls: 1 })
    const open = grantWith({})
    const ended = grantWith({ endedAt: 5, endedReason: 'revoked' })
    await database.store.change(tenant, async rows => {
      for (const grant of [budget, open, ended]) await rows.grants.insert(grant)
    })
    const spend = (grant: Grant['id'], now: number) =>
      database.store.record(tenant, { event: anEvent(), spend: { grant, now } })
    const outcomes = await Promise.all([
      spend(budget.id, 10),
      spend(open.id, 30),
      spend(budget.id, 12),
      spend(budget.id, 11),
      spend(open.id, 20),
      spend(ended.id, 20),
      spend(id('grt'), 20),
      record(anEvent()),
    ])
    expect(outcomes).toEqual([
      'recorded',
      'recorded',
      'recorded',
      'exhausted',
      'recorded',
      'exhausted',
      'exhausted',
      'recorded',
    ])
    expect(await spend(budget.id, 99)).toBe('exhausted')
    await database.store.asTenant(tenant, async rows => {
      expect(await rows.grants.get(budget.id)).toMatchObject({ calls: 3, lastUsedAt: 12 })
      expect(await rows.grants.get(open.id)).toMatchObject({ calls: 2, lastUsedAt: 30 })
      expect(await rows.grants.get(ended.id)).toMatchObject({ calls: 0 })
      expect(await rows.audit.verify()).toMatchObject({ ok: true, events: 5 })
    })
  })

  test('a bad event is refused alone, and what was recorded with it stands', async () => {
    const [good, bad] = await Promise.allSettled([record(anEvent()), record(anEvent({ time: 'today' }))])
    expect(good.status).toBe('fulfilled')
    expect(bad).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) })
  })

  test('if the log cannot be written, nobody is told that it was (P2)', async () => {
    const first = anEvent()
    await record(first)
    const outcomes = await Promise.allSettled([record(first), record(anEvent())])
    expect(outcomes.map(one => one.status)).toEqual(['rejected', 'rejected'])
    expect(await record(anEvent())).toBe('recorded')
    expect(await verify()).toMatchObject({ ok: true, events: 2 })
  })

  test('more than may wait is refused at once as unavailable', async () => {
    await database.store.close()
    const store = await database.reopen({ recordBound: 2 })
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => store.record(tenant, { event: anEvent() })))
    expect(outcomes.map(one => one.status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(outcomes[2]).toMatchObject({ reason: { code: 'unavailable' } })
    expect(await store.record(tenant, { event: anEvent() })).toBe('recorded')
    await store.close()
    await expect(store.record(tenant, { event: anEvent() })).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('changes and records share the chain of their tenant across a restart', async () => {
    await record(anEvent())
    await Promise.all(
      Array.from({ length: 20 }, () =>
        database.store.change(tenant, rows => rows.audit.append([anEvent(), anEvent()])),
      ),
    )
    const before = await verify()
    await database.store.close()
    const store = await database.reopen()
    expect(await store.asTenant(tenant, rows => rows.audit.verify())).toEqual(before)
    await store.record(tenant, { event: anEvent() })
    expect(await store.asTenant(tenant, rows => rows.audit.verify())).toMatchObject({ ok: true, events: 42 })
  })

  test('verify names the first row that was altered, removed, swapped or cut off', async () => {
    const user = id('usr')
    const events = Array.from({ length: 450 }, () => anEvent({ user, agent: id('agt') }))
    await Promise.all(events.map(record))
    expect(await verify()).toMatchObject({ ok: true, events: 450 })
    const at = (index: number) => events[index]!.id

    await altered([`update audit_events set agent = 'agt_x' where id = ?`, at(300)], 'leaf_mismatch', at(300))
    await altered([`update audit_events set "user" = 'usr_x' where id = ?`, at(7)], 'commitment_mismatch', at(7))
    await altered([`update audit_events set stream = 'other' where id = ?`, at(5)], 'gap', at(6))
    await altered([`delete from audit_events where id = ?`, at(250)], 'gap', at(251))
    await altered([`delete from audit_salts where event_id = ?`, at(9)], 'erased_without_event', at(9))
    await altered([`delete from audit_events where id = ?`, at(449)], 'truncated', at(448))
    await altered([`delete from audit_streams`], 'head_missing', at(449))
    await altered([`update audit_streams set head_mac = 'none'`], 'head_mismatch', at(449))

    const [seven, eight] = [7, 8].map(index => database.raw('select * from audit_events where id = ?', [at(index)]))
    const [a, b] = [(await seven!)[0]!, (await eight!)[0]!]
    await database.raw('update audit_events set seq = 1000 where id = ?', [at(7)])
    await database.raw('update audit_events set seq = ? where id = ?', [Number(a.seq), at(8)])
    await database.raw('update audit_events set seq = ? where id = ?', [Number(b.seq), at(7)])
    expect(await verify()).toMatchObject({ ok: false, reason: 'head_mismatch', event: at(8) })

    // Cut the tail and set the head back to fit: only the MAC knows.
    await database.raw('update audit_events set seq = 1000 where id = ?', [at(8)])
    await database.raw('update audit_events set seq = ? where id = ?', [Number(a.seq), at(7)])
    await database.raw('update audit_events set seq = ? where id = ?', [Number(b.seq), at(8)])
    expect(await verify()).toMatchObject({ ok: true })
    await database.raw(`delete from audit_events where seq = 450`)
    await database.raw(
      `update audit_streams set seq = 449, head = (select e.head from audit_events e where e.seq = 449)`,
    )
    expect(await verify()).toMatchObject({ ok: false, reason: 'head_mismatch', event: at(448) })
  })

  /** Alters, looks at the verdict, and puts everything back from a copy. */
  async function altered([statement, ...values]: string[], reason: string, event: string): Promise<void> {
    const tables = ['audit_events', 'audit_salts', 'audit_streams']
    for (const table of tables) await database.raw(`create table kept_${table} as select * from ${table}`)
    await database.raw(statement!, values)
    expect(await verify(), statement).toMatchObject({ ok: false, reason, event })
    for (const table of tables) {
      await database.raw(`delete from ${table}`)
      await database.raw(`insert into ${table} select * from kept_${table}`)
      await database.raw(`drop table kept_${table}`)
    }
    expect(await verify()).toMatchObject({ ok: true })
  }
})
