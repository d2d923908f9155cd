import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { databases } from '../../../../../../test/databases.ts'
import type { Connection } from '../../../core/connection.ts'
import type { Grant } from '../../../core/grant.ts'
import type { TaskId } from '../../../core/ids.ts'
import { createRevocations } from '../../../core/revocations.ts'
import { Secret } from '../../../core/secret.ts'
import { endTask } from '../../../flows/agents/end-task.ts'
import { disconnect } from '../../../flows/credentials/disconnect.ts'
import { endGrant } from '../../../flows/grants/end-grant.ts'
import { changeIntegration } from '../../../flows/integrations/save-integration.ts'
import { openRig, type Rig } from './test-rig.ts'

let rig: Rig
let alice: Connection
let grant: Grant
let task: { readonly id: string; readonly token: string }
beforeEach(async () => {
  rig = await openRig()
  alice = await rig.connect('alice')
  grant = await rig.grant(alice)
  task = await rig.task('alice')
})
afterEach(() => rig.close())

/** A stream in progress, and when it broke. */
async function streaming(): Promise<{ readonly broken: Promise<number> }> {
  const response = await rig.begin(`/proxy/${alice.id}/api/slow?ms=20`, task)
  await new Promise(resolve => response.once('data', resolve))
  return {
    broken: new Promise((resolve, reject) => {
      response.on('end', () => reject(new Error('the stream ended as if it were whole')))
      response.on('error', () => resolve(performance.now()))
      response.resume()
    }),
  }
}

const next = async () => {
  const answer = await rig.ask(`/proxy/${alice.id}/api/items`, task)
  return [answer.status, answer.json.code, answer.json.ended_reason]
}

describe('what ends', () => {
  it.each([
    ['a grant', () => endGrant(rig.parts, rig.operator, grant.id), [403, 'grant_expired', 'revoked']],
    ['a task', () => endTask(rig.parts, rig.operator, task.id as TaskId), [401, 'unauthorized', undefined]],
    ['a connection', () => disconnect(rig.parts, rig.operator, alice.id), [404, 'not_found', undefined]],
    [
      'the destinations of an integration',
      () =>
        changeIntegration(rig.parts, rig.operator, rig.integration.id, {
          overrides: { origins: { 'https://api.acme.example': 'http://127.0.0.1:9' } },
          clientSecret: new Secret('test-secret'),
        }),
      [409, 'needs_reauth', undefined],
    ],
  ] as const)('%s takes its streams along within a second, and the very next call (P4)', async (_what, end, answer) => {
    const stream = await streaming()
    const endedAt = performance.now()
    await end()
    expect((await stream.broken) - endedAt).toBeLessThan(1_000)
    expect(await next()).toEqual(answer)
    await expect
      .poll(async () => (await rig.events('access.completed')).some(event => event.facts?.cut !== undefined))
      .toBe(true)
  })

  it('by time, ends mid-run: a stream is cut within a second of the expiry of its grant (P4, row 85)', async () => {
    const stream = await streaming()
    const endedAt = performance.now()
    rig.skip(3_600_001)
    expect((await stream.broken) - endedAt).toBeLessThan(1_000)
    task = await rig.task('alice')
    expect(await next()).toEqual([403, 'grant_expired', 'expired'])
  })

  it('is a connection, revoked upstream and erased here (row 74)', async () => {
    const ended = await disconnect(rig.parts, rig.operator, alice.id)
    expect(ended.connection.status).toBe('revoked')
    expect(ended.revoked).toEqual({ access_token: 'revoked', refresh_token: 'revoked' })
    expect(rig.provider.activeTokens()).toEqual([])
    expect(await rig.parts.store.asTenant(rig.tenant, rows => rows.credentials.get(alice.id))).toBeUndefined()
    expect((await rig.events()).map(event => event.type)).toEqual(
      expect.arrayContaining(['connection.revoked', 'connection.deleted', 'grant.revoked']),
    )
    await expect(disconnect(rig.parts, rig.operator, alice.id)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('under load lets no call pass that began after the revocation returned (P4)', async () => {
    let isOver = false
    const late: number[] = []
    const callers = Array.from({ length: 16 }, async () => {
      for (let calls = 0; calls < 12; calls++) {
        const beganLate = isOver
        const { status } = await rig.ask(`/proxy/${alice.id}/api/items`, task)
        if (beganLate) late.push(status)
      }
    })
    await expect.poll(() => rig.provider.requests.to('api').length, { interval: 2 }).toBeGreaterThan(20)
    await endGrant(rig.parts, rig.operator, grant.id)
    isOver = true
    await Promise.all(callers)
    expect(late.length).toBeGreaterThan(0)
    expect(new Set(late)).toEqual(new Set([403]))
  })

  it('is a budget: exactly so many calls pass, however many ask at once (P4)', async () => {
    await endGrant(rig.parts, rig.operator, grant.id)
    await rig.grant(alice, { maxCalls: 5 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.ask(`/proxy/${alice.id}/api/items`, task)))
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(5)
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect(['quota_exhausted', 'grant_expired']).toContain(answer.json.code)
    }
    expect(rig.provider.requests.to('/api/items')).toHaveLength(5)
    expect(await rig.events('access.allowed')).toHaveLength(5)
    expect(await rig.events('access.denied')).toHaveLength(15)
  })
})

describe('what another process ends on the same database', () => {
  it('cuts the streams of this one within a second, and the next call is refused (P4)', async () => {
    await rig.close()
    rig = await openRig({ open: databases().find(kind => kind.name === 'postgres')!.open })
    alice = await rig.connect('alice')
    grant = await rig.grant(alice)
    task = await rig.task('alice')
    const store = await rig.database.reopen({ nodeId: 'two' })
    const other = { ...rig.parts, store, nodeId: 'two', revocations: createRevocations() }
    const stream = await streaming()
    const endedAt = performance.now()
    await endGrant(other, rig.operator, grant.id)
    expect((await stream.broken) - endedAt).toBeLessThan(1_000)
    await expect.poll(next).toEqual([403, 'grant_expired', 'revoked'])
  })
})

describe('a server that is told to end', () => {
  it('finishes the calls in flight, and their outcome is on the record', async () => {
    const response = await rig.begin(`/proxy/${alice.id}/api/slow?ms=20&count=5`, task)
    const stopped = rig.stop(10_000)
    let text = ''
    for await (const chunk of response) text += chunk
    expect(text).toContain('id: 5')
    await stopped
    expect(await rig.events('access.completed')).toMatchObject([{ outcome: 'ok' }])
  })

  it('cuts what does not end in time, and records that too', async () => {
    const stream = await streaming()
    await rig.stop(50)
    await stream.broken
    expect(await rig.events('access.completed')).toMatchObject([{ outcome: 'unknown' }])
  })
})

describe('a grant that was altered in the database', () => {
  it('does not count, and the log says so (P3, P6)', async () => {
    await rig.database.raw('update grants set permissions = ? where id = ?', ['["acme:items:write"]', grant.id])
    const answer = await rig.ask(`/proxy/${alice.id}/api/items`, {
      ...task,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"x"}',
    })
    expect([answer.status, answer.json.code]).toEqual([403, 'grant_required'])
    expect(rig.logged.join()).toContain('altered outside Valetkey')
    expect(rig.provider.requests.to('api')).toEqual([])
  })
})

describe('a credential that was moved to another row', () => {
  it('does not open (P6)', async () => {
    const bob = await rig.connect('bob')
    await rig.database.raw(
      'update credentials set sealed_access_token = (select sealed_access_token from credentials where connection_id = ?) where connection_id = ?',
      [bob.id, alice.id],
    )
    const answer = await rig.ask(`/proxy/${alice.id}/api/items`, task)
    expect(answer.status).toBe(500)
    expect(rig.provider.requests.to('api')).toEqual([])
  })
})
