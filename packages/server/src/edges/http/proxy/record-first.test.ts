import { afterEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../../core/connection.ts'
import type { Parts } from '../../../parts.ts'
import { openRig, type Rig } from './test-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** A store whose disk is slow: records wait until they are let go. */
function slowly(): {
  readonly wrap: (store: Parts['store']) => Parts['store']
  readonly go: () => void
  hold: boolean
} {
  let waiting: (() => void)[] = []
  const state = {
    hold: false,
    go() {
      state.hold = false
      for (const go of waiting) go()
      waiting = []
    },
    wrap: (store: Parts['store']): Parts['store'] => ({
      ...store,
      async record(tenant, entry) {
        if (state.hold) await new Promise<void>(resolve => waiting.push(resolve))
        return store.record(tenant, entry)
      },
    }),
  }
  return state
}

async function scene(wrap?: (store: Parts['store']) => Parts['store']): Promise<{ alice: Connection; token: string }> {
  rig = await openRig(wrap === undefined ? {} : { store: wrap })
  const alice = await rig.connect('alice')
  await rig.grant(alice, { permissions: ['acme:items:*', 'acme:items:write'] })
  return { alice, token: (await rig.task('alice')).token }
}

const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"title":"x"}' }

describe('nothing without a record (P2)', () => {
  it('lets a read go up beside its record, and no byte of the answer out before it', async () => {
    const slow = slowly()
    const { alice, token } = await scene(slow.wrap)
    slow.hold = true
    let isAnswered = false
    const answer = rig.ask(`/proxy/${alice.id}/api/status/204`, { token }).then(got => {
      isAnswered = true
      return got
    })
    await expect.poll(() => rig.provider.requests.to('api').length).toBe(1)
    await rig.provider.requests.to('api')[0]!.finished
    expect(isAnswered).toBe(false)
    slow.go()
    expect((await answer).status).toBe(204)
  })

  it('sends a write only after its intent is durable', async () => {
    const slow = slowly()
    const { alice, token } = await scene(slow.wrap)
    expect((await rig.ask(`/proxy/${alice.id}/api/items`, { token })).status).toBe(200)
    slow.hold = true
    const answer = rig.ask(`/proxy/${alice.id}/api/items`, { ...post, token })
    const read = rig.ask(`/proxy/${alice.id}/api/items`, { token })
    await expect.poll(() => rig.provider.requests.to('api', 'GET').length).toBe(2)
    expect(rig.provider.requests.to('api', 'POST')).toEqual([])
    slow.go()
    expect((await answer).status).toBe(201)
    expect((await read).status).toBe(200)
  })

  it('fails every call while the record cannot be written, and says so (row 87)', async () => {
    const { alice, token } = await scene()
    expect((await rig.ask(`/proxy/${alice.id}/api/items`, { token })).status).toBe(200)
    // Past the store one gets in only when it has nothing under way.
    await expect.poll(async () => (await rig.events()).map(event => event.type)).toContain('access.completed')
    await expect.poll(async () => (await rig.events()).map(event => event.type)).toContain('grant.used_first')
    await rig.database.raw('alter table audit_events rename to gone')
    const items = rig.provider.requests.to('api', 'POST').length
    const write = await rig.ask(`/proxy/${alice.id}/api/items`, { ...post, token })
    const read = await rig.ask(`/proxy/${alice.id}/api/items`, { token })
    for (const answer of [write, read]) {
      expect([answer.status, answer.json.code]).toEqual([503, 'unavailable'])
      expect(answer.json).not.toHaveProperty('data')
    }
    expect(rig.provider.requests.to('api', 'POST')).toHaveLength(items)
    await rig.database.raw('alter table gone rename to audit_events')
    expect((await rig.ask(`/proxy/${alice.id}/api/items`, { token })).status).toBe(200)
  })

  it('gives each call one allowed and one completed event, or one denied', async () => {
    const { alice, token } = await scene()
    const answers = await Promise.all([
      rig.ask(`/proxy/${alice.id}/api/items`, { token }),
      rig.ask(`/proxy/${alice.id}/api/items`, { ...post, token }),
      rig.ask(`/proxy/${alice.id}/api/items/nothing`, { token }),
      rig.ask(`/proxy/${alice.id}/api/items`, { token, method: 'PUT' }),
      rig.ask(`/proxy/${alice.id}/a/../b`, { token }),
    ])
    expect(answers.map(answer => answer.status)).toEqual([200, 201, 404, 403, 400])
    await expect.poll(async () => (await rig.events('access.completed')).length).toBe(3)
    const events = await rig.events()
    const count = (type: string) => events.filter(event => event.type === type).length
    expect([count('access.allowed'), count('access.denied')]).toEqual([3, 2])
    const completed = events.filter(event => event.type === 'access.completed')
    expect(completed.map(event => event.outcome).sort()).toEqual(['error', 'ok', 'ok'])
    expect(JSON.stringify(events)).not.toContain('canary-')
    expect(JSON.stringify(events)).not.toContain('nothing')
  })
})
