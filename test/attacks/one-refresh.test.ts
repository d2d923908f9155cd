import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'
import { type ServerProcess, startServerProcess, withPeople } from '../server-process.ts'

/**
 * A provider that rotates refresh tokens and kills the family on reuse punishes every refresh too many: one connection,
 * two hundred callers at once, and the token just expired (P5, row 18).
 */
describe.each(onBoth)('two hundred callers of one connection on $database', ({ database }) => {
  let server: ServerProcess
  let people: Awaited<ReturnType<typeof withPeople>>
  beforeAll(async () => {
    server = await startServerProcess({ database })
    people = await withPeople(server, ['alice', 'bob'])
  })
  afterAll(() => server?.close())

  const callers = 200
  async function burst() {
    const [alice] = people.people
    const answers = await Promise.all(
      Array.from({ length: callers }, () =>
        server.call('GET', `/proxy/${alice!.connection}/api/me`, undefined, { token: alice!.token }),
      ),
    )
    const outcomes = new Map<string, number>()
    for (const { status, body, text } of answers) {
      const outcome = status === 200 ? `200 ${body.id}` : `${status} ${text}`
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    return Object.fromEntries(outcomes)
  }
  const reached = () => people.provider.requests.to('/api/me').length

  it('with a token that expired make one refresh, and all get the data of its owner (P5, row 18)', async () => {
    const { provider } = people
    expect(await burst()).toEqual({ '200 alice': callers })
    const before = provider.stats.refreshes
    // By the provider's clock alone: the server hears of it by the 401s of the calls it has sent.
    provider.expireAccessTokens('alice')
    expect(await burst()).toEqual({ '200 alice': callers })
    expect(provider.stats.refreshes).toBe(before + 1)
    expect(provider.stats).toMatchObject({ reuseDetected: 0, familiesKilled: 0, refreshesRefused: 0 })
  })

  it('make one refresh also while the token endpoint takes two seconds to answer (P5, row 18)', async () => {
    const { provider } = people
    const before = provider.stats.refreshes
    provider.expireAccessTokens('alice')
    const hold = provider.hold('token')
    const calls = burst()
    await hold.arrived
    const released = setTimeout(() => hold.release(), 2_000)
    expect(await calls).toEqual({ '200 alice': callers })
    clearTimeout(released)
    expect(provider.stats.refreshes).toBe(before + 1)
    expect(provider.stats).toMatchObject({ reuseDetected: 0, familiesKilled: 0 })
    expect(reached()).toBeGreaterThan(callers)
  })
})

describe.each(onBoth)('a token near its end by the clock of the server, on $database', ({ database }) => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({ database })
    await rig.user('alice')
  })
  afterAll(() => rig?.close())

  const callers = 200
  async function connected() {
    const { provider, integration } = await rig.provider({ accessTokenSeconds: 300 })
    const connection = await rig.connect({ user: 'alice', integration, provider })
    const agent = await rig.agent()
    await rig.grant({ user: { external_id: 'alice' }, agent: agent.id, connection, paths: everyPath })
    const { token } = await rig.task(agent.id, 'alice')
    return { provider, connection, token }
  }
  async function failuresOf({ connection, token }: { connection: string; token: string }) {
    const answers = await Promise.all(
      Array.from({ length: callers }, () => rig.call('GET', `/proxy/${connection}/api/me`, undefined, { token })),
    )
    return answers.filter(({ status, body }) => status !== 200 || body.id !== 'alice').map(({ text }) => text)
  }

  it('that has passed is renewed once before it is used, for all who wait (P5, row 18)', async () => {
    const made = await connected()
    const { provider } = made
    rig.advance(301)
    expect(await failuresOf(made)).toEqual([])
    expect(provider.stats).toMatchObject({ refreshes: 1, reuseDetected: 0, familiesKilled: 0, refreshesRefused: 0 })
    expect(provider.requests.to('/api/me').filter(({ status }) => status === 401)).toEqual([])
  })

  it('serves everybody while the token endpoint answers 503, which is asked once and then left in peace (P5)', async () => {
    const made = await connected()
    const { provider } = made
    provider.script({ at: 'token', kind: 'status', status: 503, times: 1_000 })
    // Renewal is due fifteen seconds before the end at the latest; until then the token is good.
    rig.advance(290)
    provider.requests.clear()
    const startedAt = performance.now()
    expect(await failuresOf(made)).toEqual([])
    const waits = Math.floor((performance.now() - startedAt) / 1_000)
    expect(provider.stats.refreshes).toBe(0)
    expect(provider.requests.to('token').length).toBeGreaterThan(0)
    expect(provider.requests.to('token').length).toBeLessThanOrEqual(1 + waits)
  })

  it('serves everybody at once while the token endpoint does not answer at all (P5)', async () => {
    const made = await connected()
    const { provider } = made
    rig.advance(290)
    const hold = provider.hold('token', 'before')
    expect(await failuresOf(made)).toEqual([])
    await hold.arrived
    expect(provider.stats.refreshes).toBe(0)
    hold.release()
  })
})
