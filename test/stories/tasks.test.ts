import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'

const read = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())

/** One run of an agent for one user: begun, renewed, ended, and never wider than it was (CONTRACT 5, 6). */
describe.each(onBoth)('a task on $database', ({ database }) => {
  let rig: Rig
  let agent: Awaited<ReturnType<Rig['agent']>>
  let connection: string
  beforeAll(async () => {
    rig = await startRig({ database })
    const made = await rig.provider()
    await rig.user('alice')
    await rig.user('bob')
    agent = await rig.agent()
    connection = await rig.connect({ user: 'alice', ...made })
    await rig.grant({ agent: agent.id, connection, paths: everyPath, expires_at: at(80 * 24 * 3_600_000) })
  })
  afterAll(() => rig.close())

  const at = (ms: number) => new Date(rig.now() + ms).toISOString()
  const start = (body: Record<string, unknown>, token: string) =>
    rig.call(
      'POST',
      '/v1/tasks',
      { agent: agent.id, user: { external_id: 'alice' }, purpose: 'a run', expires_at: at(3_600_000), ...body },
      { token },
    )
  const renew = (id: string, token: string) => rig.call('POST', `/v1/tasks/${id}/renew`, undefined, { token })
  const isLive = async (token: string) =>
    (await rig.call('GET', '/v1/connections', undefined, { token })).status === 200

  it('begun by an app gives the token of that agent, that user and that task', async () => {
    const app = await rig.token(await rig.app())
    const answer = await start({}, app)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe(`${rig.url}/v1/tasks/${answer.body.id}`)
    expect(answer.body).toMatchObject({
      agent: agent.id,
      user: { external_id: 'alice' },
      status: 'active',
      token_type: 'Bearer',
    })
    expect(answer.body.expires_in).toBeLessThanOrEqual(900)
    expect(read(answer.body.access_token)).toMatchObject({
      sub: answer.body.user.id,
      act: { sub: agent.id },
      client_id: agent.id,
      task: answer.body.id,
      tenant: rig.tenant,
      iss: rig.url,
      aud: rig.url,
    })
    const called = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, {
      token: answer.body.access_token,
    })
    expect(called.status).toBe(200)
    const shown = await rig.call('GET', `/v1/tasks/${answer.body.id}`, undefined, { token: app })
    expect(shown.status).toBe(200)
    expect(shown.text).not.toContain(answer.body.access_token)
    expect(Object.keys(shown.body)).not.toContain('access_token')
  })

  it('has a token that never lives longer than the task', async () => {
    const answer = await start({ expires_at: at(60_000) }, await rig.token())
    expect(answer.body.expires_in).toBeLessThanOrEqual(60)
    const { exp } = read(answer.body.access_token)
    expect(exp * 1000).toBeLessThanOrEqual(rig.now() + 60_000)
  })

  it('is renewed by its agent’s own token and by its own live token, by nobody else', async () => {
    const task = await rig.task(agent.id, 'alice', 7_200)
    const byAgent = await renew(task.id, await rig.token(agent))
    expect([byAgent.status, read(byAgent.body.access_token).task]).toEqual([200, task.id])
    const byTask = await renew(task.id, task.token)
    expect([byTask.status, read(byTask.body.access_token).task]).toEqual([200, task.id])
    expect(await isLive(byTask.body.access_token)).toBe(true)

    const other = await rig.agent('Other')
    const foreign = await renew(task.id, await rig.token(other))
    const unknown = await renew(`tsk_${'0'.repeat(26)}`, await rig.token(other))
    expect([foreign.status, foreign.body.code, unknown.status]).toEqual([404, 'not_found', 404])
    const ofOther = await rig.task(other.id, 'alice')
    expect((await renew(task.id, ofOther.token)).status).toBe(404)
    const sameAgentOtherTask = await rig.task(agent.id, 'alice')
    expect((await renew(task.id, sameAgentOtherTask.token)).status).toBe(404)
    const forBob = await rig.task(agent.id, 'bob')
    expect((await renew(task.id, forBob.token)).status).toBe(404)
    expect((await renew(task.id, await rig.token())).status).toBe(403)
  })

  it('past its end is 410 expired to its agent, and its tokens are 401', async () => {
    const task = await rig.task(agent.id, 'alice', 120)
    rig.advance(120)
    expect(await isLive(task.token)).toBe(false)
    const late = await renew(task.id, await rig.token(agent))
    expect([late.status, late.body.code]).toEqual([410, 'expired'])
    expect((await renew(task.id, task.token)).status).toBe(401)
  })

  it('ended by hand: every token of it is 401 from the answer on, and its grants have ended', async () => {
    const task = await rig.task(agent.id, 'alice')
    const renewed = (await renew(task.id, task.token)).body.access_token
    const grant = await rig.grant({ agent: agent.id, connection, paths: everyPath, task: task.id })
    expect([await isLive(task.token), await isLive(renewed)]).toEqual([true, true])
    const ended = await rig.asOperator('POST', `/v1/tasks/${task.id}/end`)
    expect([ended.status, ended.body.status]).toEqual([200, 'ended'])
    expect([await isLive(task.token), await isLive(renewed)]).toEqual([false, false])
    const refused = await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token: task.token })
    expect([refused.status, refused.body.code]).toEqual([401, 'unauthorized'])
    expect((await rig.asOperator('GET', `/v1/grants/${grant}`)).body.ended_reason).toBe('task_ended')
    const again = await rig.asOperator('POST', `/v1/tasks/${task.id}/end`)
    expect([again.status, again.body.status]).toEqual([200, 'ended'])
    expect((await renew(task.id, await rig.token(agent))).status).toBe(410)
  })

  it('is ended by its own agent with the task’s token, and not by another', async () => {
    const task = await rig.task(agent.id, 'alice')
    const other = await rig.agent('Other')
    const foreign = await rig.task(other.id, 'alice')
    const end = (token: string) => rig.call('POST', `/v1/tasks/${task.id}/end`, undefined, { token })
    expect((await end(foreign.token)).status).toBe(404)
    expect((await end(await rig.token(other))).status).toBe(404)
    expect((await end(task.token)).status).toBe(200)
    expect(await isLive(task.token)).toBe(false)
  })

  it('begun by an agent lies within a task of its own: same agent, same user, no later end', async () => {
    const outer = await rig.task(agent.id, 'alice', 3_600)
    const other = await rig.agent('Other')
    const inner = await start({ expires_at: at(1_800_000) }, outer.token)
    expect(inner.status).toBe(201)
    for (const [name, body, pointer] of [
      ['another agent', { agent: other.id }, '/agent'],
      ['another user', { user: { external_id: 'bob' } }, '/user'],
      ['a later end', { expires_at: at(7_200_000) }, '/expires_at'],
    ] as const) {
      const answer = await start(body, outer.token)
      expect([name, answer.status, answer.body.errors?.[0].pointer]).toEqual([name, 400, pointer])
    }
    const withoutTask = await start({}, await rig.token(agent))
    expect(withoutTask.status).toBe(400)

    // What an agent started for itself does not outlive what it was started in.
    await rig.asOperator('POST', `/v1/tasks/${outer.id}/end`)
    expect(await isLive(inner.body.access_token)).toBe(false)
    expect((await renew(inner.body.id, await rig.token(agent))).status).toBe(410)
  })

  it('says what it is for, and lasts 30 days at most', async () => {
    const token = await rig.token()
    for (const [body, pointer] of [
      [{ purpose: '' }, '/purpose'],
      [{ purpose: '   ' }, '/purpose'],
      [{ purpose: 'x'.repeat(501) }, '/purpose'],
      [{ expires_at: at(-1_000) }, '/expires_at'],
      [{ expires_at: at(31 * 24 * 3_600_000) }, '/expires_at'],
    ] as const) {
      const answer = await start(body, token)
      expect([JSON.stringify(body).slice(0, 40), answer.status, answer.body.errors?.[0].pointer]).toEqual([
        JSON.stringify(body).slice(0, 40),
        400,
        pointer,
      ])
    }
    const { purpose: _, ...without } = { purpose: '' }
    expect((await start({ ...without, purpose: undefined }, token)).status).toBe(400)
  })

  it('of an agent that belongs to one user is for that user only', async () => {
    const made = await rig.asOperator('POST', '/v1/agents', { name: 'Of alice', user: { external_id: 'alice' } })
    const token = await rig.token()
    expect((await start({ agent: made.body.id }, token)).status).toBe(201)
    const forBob = await start({ agent: made.body.id, user: { external_id: 'bob' } }, token)
    expect([forBob.status, forBob.body.errors[0].pointer]).toEqual([400, '/user'])
  })

  it('that is over renews nothing, also not in a race: of ten renewals beside an end none survives it', async () => {
    const task = await rig.task(agent.id, 'alice')
    const own = await rig.token(agent)
    const renewals = Array.from({ length: 10 }, () => renew(task.id, own))
    await rig.asOperator('POST', `/v1/tasks/${task.id}/end`)
    for (const answer of await Promise.all(renewals)) {
      expect([200, 410]).toContain(answer.status)
      if (answer.status === 200) expect(await isLive(answer.body.access_token)).toBe(false)
    }
  })
})
