import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RawDatabase, rawDatabase } from '../raw-database.ts'
import { everyPath, onBoth, type Rig, startRig, walk } from '../rig.ts'

/** Mallory writes into the database, and gets somebody to press a button. */
describe.each(onBoth)('with the database in hand on $database', ({ database }) => {
  let rig: Rig
  let raw: RawDatabase
  let made: Awaited<ReturnType<Rig['provider']>>
  let agent: Awaited<ReturnType<Rig['agent']>>
  beforeAll(async () => {
    rig = await startRig({ database })
    raw = rawDatabase(rig)
    made = await rig.provider()
    agent = await rig.agent()
    await rig.user('mallory')
    await rig.user('alice')
  })
  afterAll(() => rig.close())

  /** Mallory's own link, walked by alice with her account: held until the app says who is there. */
  async function walkedByAlice(): Promise<{
    readonly session: string
    readonly code: string
    readonly connection: string
  }> {
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'mallory' },
      integration: made.integration,
      scopes: ['openid', 'items:read', 'offline_access'],
      return_to: 'http://127.0.0.1:9/done',
    })
    const back = await walk(opened.body.connect_url, made.provider, 'alice')
    const [row] = await raw.run('select connection_id from connect_sessions where id = ?', [opened.body.id])
    return {
      session: opened.body.id,
      code: back.searchParams.get('completion_code')!,
      connection: row!.connection_id as string,
    }
  }

  it.each([
    ['active', "update connections set status = 'active' where id = ?", []],
    [
      'active and of a later generation',
      "update connections set status = 'active' where id = ?",
      ['update credentials set generation = 1 where connection_id = ?'],
    ],
  ])(
    'an account that waits for its right person is not mallory’s by writing that it is %s (row 2, P6)',
    async (_, statement, more) => {
      const { session, code, connection } = await walkedByAlice()
      const from = made.provider.requests.length
      for (const text of [statement, ...more]) await raw.run(text, [connection])
      await rig.grant({ agent: agent.id, connection, paths: everyPath })
      const { token } = await rig.task(agent.id, 'mallory')
      const answers = [
        await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token }),
        await rig.asOperator('POST', `/v1/connections/${connection}/refresh`),
        await rig.asOperator('GET', `/v1/connections/${connection}/check`),
      ]
      for (const answer of answers) {
        expect(answer.text).not.toContain('alice')
        expect(answer.status === 200 && answer.body.ok === true).toBe(false)
      }
      expect(made.provider.requests.slice(from).filter(request => request.endpoint === 'api')).toEqual([])
      const sent = JSON.stringify(made.provider.requests.slice(from))
      for (const secret of made.provider.allIssuedSecrets()) expect(sent).not.toContain(secret)
      const complete = (user: string) =>
        rig.asOperator('POST', `/v1/connect-sessions/${session}/complete`, {
          completion_code: code,
          user: { external_id: user },
        })
      expect((await complete('alice')).status).toBe(403)
      expect((await complete('mallory')).status).toBe(409)
    },
  )

  describe('a task counts only as it was made (P3, P6)', () => {
    let connection: string
    beforeAll(async () => {
      connection = await rig.connect({ user: 'alice', ...made })
      await rig.grant({ agent: agent.id, connection, paths: everyPath })
    })
    const renew = async (id: string) => rig.call('POST', `/v1/tasks/${id}/renew`, {}, { token: await rig.token(agent) })
    const idOfAlice = async () => (await rig.asOperator('GET', '/v1/users?external_id=alice')).body.data[0].id as string

    it('given to another user, it gives no token for that one', async () => {
      const { id, token } = await rig.task(agent.id, 'mallory')
      await raw.run('update tasks set user_id = ? where id = ?', [await idOfAlice(), id])
      expect((await renew(id)).status).toBe(404)
      expect((await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token })).status).toBe(401)
      expect(rig.logs.join('')).toContain('The row of a task was altered')
    })

    it('ended, it is not brought back to life', async () => {
      const { id, token } = await rig.task(agent.id, 'alice')
      await rig.asOperator('POST', `/v1/tasks/${id}/end`)
      await raw.run('update tasks set ended_at = null where id = ?', [id])
      expect((await renew(id)).status).toBe(404)
      expect((await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token })).status).toBe(401)
    })

    it('it lasts no longer than it was made to, and none is made from nothing', async () => {
      const { id } = await rig.task(agent.id, 'alice', 60)
      await raw.run('update tasks set expires_at = expires_at + 86400000 where id = ?', [id])
      expect((await renew(id)).status).toBe(404)
      const other = `${id.slice(0, -3)}zzz`
      await raw.run('update tasks set id = ? where id = ?', [other, id])
      expect((await renew(other)).status).toBe(404)
    })

    it('left alone, it is renewed and ended as ever', async () => {
      const { id } = await rig.task(agent.id, 'alice')
      const renewed = await renew(id)
      expect(renewed.status).toBe(200)
      const asked = { token: renewed.body.access_token as string }
      expect((await rig.call('GET', `/proxy/${connection}/api/items`, undefined, asked)).status).toBe(200)
      expect((await rig.asOperator('POST', `/v1/tasks/${id}/end`)).status).toBe(200)
      expect((await renew(id)).status).toBe(410)
    })
  })

  it('a person is found by the app’s own id only as it was written: two that were exchanged are nobody (P6)', async () => {
    const connection = await rig.connect({ user: 'alice', ...made })
    await rig.grant({ agent: agent.id, connection, paths: everyPath })
    const rename = (from: string, to: string) =>
      raw.run('update users set external_id = ? where external_id = ?', [to, from])
    const exchange = async () => {
      await rename('alice', 'somebody')
      await rename('mallory', 'alice')
      await rename('somebody', 'mallory')
    }
    await exchange()
    try {
      const task = await rig.asOperator('POST', '/v1/tasks', {
        agent: agent.id,
        user: { external_id: 'mallory' },
        purpose: 'a test',
        expires_at: new Date(rig.now() + 60_000).toISOString(),
      })
      expect([task.status, task.body.errors[0].pointer]).toEqual([400, '/user'])
      expect((await rig.asOperator('POST', '/v1/users', { external_id: 'mallory' })).status).toBe(409)
      expect((await rig.asOperator('GET', '/v1/users?external_id=mallory')).body.data).toEqual([])
      expect((await rig.asOperator('GET', '/v1/connections?user_external_id=mallory')).body.data).toEqual([])
      expect(rig.logs.join('')).toContain('The row of a user was altered')
    } finally {
      await exchange()
    }
    expect((await rig.asOperator('GET', '/v1/connections?user_external_id=alice')).body.data).not.toEqual([])
    expect((await rig.asOperator('POST', '/v1/users', { external_id: 'mallory' })).status).toBe(200)
  })

  it('left alone it becomes the connection of who began, and works (row 2)', async () => {
    const connection = await rig.connect({ user: 'alice', ...made })
    await rig.grant({ agent: agent.id, connection, paths: everyPath })
    const { token } = await rig.task(agent.id, 'alice')
    const answer = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token })
    expect([answer.status, answer.body.data[0].owner]).toEqual([200, 'alice'])
    const shown = await rig.asOperator('GET', `/v1/connections/${connection}`)
    expect(shown.body.credential.generation).toBe(1)
    expect((await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)).status).toBe(200)
  })
})
