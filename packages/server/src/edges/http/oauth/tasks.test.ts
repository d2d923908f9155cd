import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DatabaseKind, databases } from '../../../../../../test/databases.ts'
import type { Caller } from '../../../core/caller.ts'
import type { Grant } from '../../../core/grant.ts'
import { makeId, type TaskId, type UserId } from '../../../core/ids.ts'
import { deleteClient } from '../../../flows/agents/delete-client.ts'
import { endTask } from '../../../flows/agents/end-task.ts'
import { renewTask } from '../../../flows/agents/renew-task.ts'
import { type StartedTask, startTask, type TaskInput } from '../../../flows/agents/start-task.ts'
import { sealGrant } from '../../../flows/grants/grant-seal.ts'
import { createAuthenticate } from '../authenticate.ts'
import { openWorld, type World } from './test-world.ts'

let world: World
let app: Caller
let agent: { id: string; secret: string }
let alice: string
let caller: (token: string) => Promise<Caller>

const hour = 3_600_000

async function begin(open: DatabaseKind['open']): Promise<void> {
  world = await openWorld(open)
  const authenticate = createAuthenticate(world.parts)
  caller = token => authenticate({ id: world.tenant }, { authorization: [`Bearer ${token}`], requestId: 'req_test' })
  app = await caller(await world.token(await world.client({ kind: 'app', name: 'back end', scopes: ['tasks:write'] })))
  agent = await world.client({})
  alice = await world.user('alice')
  await world.user('bob')
}

const input = (change: Partial<TaskInput> = {}): TaskInput => ({
  agent: agent.id,
  user: { external_id: 'alice' },
  purpose: 'summarise the week',
  expiresAt: world.parts.now() + hour,
  ...change,
})
const start = (change: Partial<TaskInput> = {}, by = app) => startTask(world.parts, by, input(change))
const jwtOf = (started: Pick<StartedTask, 'token'>) => started.token.accessToken.reveal()
const asTask = (started: StartedTask) => caller(jwtOf(started))
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no refusal',
    ({ code, more }) => [code, more?.errors?.[0]?.pointer],
  )

describe.each(databases())('a task on $name', ({ open }) => {
  beforeAll(() => begin(open))
  afterAll(() => world.close())

  test('gives the token for one agent, one user and that task (rows 27, 54)', async () => {
    const started = await start()
    const claims = decodeJwt(jwtOf(started))
    expect(claims).toMatchObject({
      iss: world.url,
      aud: world.url,
      sub: alice,
      client_id: agent.id,
      act: { sub: agent.id },
      task: started.task.id,
      tenant: world.tenant,
    })
    expect(claims.exp! - claims.iat!).toBe(600)
    expect(started.token.expiresIn).toBe(600)
    expect(await asTask(started)).toMatchObject({ kind: 'agent', agent: agent.id, user: alice, task: started.task.id })
    const [created] = await world.events('task.created')
    expect(created).toMatchObject({ agent: agent.id, user: alice, task: started.task.id })
    expect((await world.events('token.issued'))[0]).toMatchObject({
      user: alice,
      agent: agent.id,
      task: started.task.id,
    })
  })

  test('bounds its token: it ends with the task when that is sooner', async () => {
    const started = await start({ expiresAt: world.parts.now() + 90_500 })
    expect(started.token.expiresIn).toBe(90)
    expect(await refusal(start({ expiresAt: world.parts.now() + 500 }))).toEqual(['expired', undefined])
  })

  test('names what is known and ends in time, else the fault has its pointer', async () => {
    const now = world.parts.now()
    const bobs = await world.client({ user: { external_id: 'bob' } })
    const other = await world.client({ kind: 'app', name: 'x', scopes: ['users:read'] })
    const table: [Partial<TaskInput>, string][] = [
      [{ user: { external_id: 'nobody' } }, '/user'],
      [{ user: { id: `usr_${'0'.repeat(26)}` } }, '/user'],
      [{ agent: `agt_${'0'.repeat(26)}` }, '/agent'],
      [{ agent: other.id }, '/agent'],
      [{ agent: bobs.id }, '/user'],
      [{ purpose: '  ' }, '/purpose'],
      [{ expiresAt: now - 1 }, '/expires_at'],
      [{ expiresAt: now + 31 * 24 * hour }, '/expires_at'],
    ]
    for (const [change, pointer] of table)
      expect([change, await refusal(start(change))]).toEqual([change, ['validation_failed', pointer]])
  })

  test('is renewed by its agent with its own token or client credentials, and by nobody else', async () => {
    const started = await start()
    const renewed = await renewTask(world.parts, await asTask(started), started.task.id)
    expect(decodeJwt(jwtOf(renewed))).toMatchObject({ sub: alice, task: started.task.id })
    const credentials = await caller(await world.token(agent))
    const again = await renewTask(world.parts, credentials, started.task.id)
    expect(decodeJwt(jwtOf(again))).toMatchObject({ sub: alice, task: started.task.id })
    const stranger = await caller(await world.token(await world.client({})))
    const sibling = await asTask(await start())
    const bobs = await asTask(await start({ user: { external_id: 'bob' } }))
    for (const by of [stranger, sibling, bobs, app, world.operator])
      expect(await refusal(renewTask(world.parts, by, started.task.id))).toEqual(['not_found', undefined])
  })

  test('renewed with a narrowed token gives no wider one (row 27)', async () => {
    const started = await start()
    const narrow = await caller(await world.token(agent, { scope: 'connections:use' }))
    const renewed = await renewTask(world.parts, narrow, started.task.id)
    expect(decodeJwt(jwtOf(renewed)).scope).toBe('connections:use')
  })

  test('that has ended refuses its tokens at once, and cannot be renewed (P4)', async () => {
    const started = await start()
    const live = await asTask(started)
    expect((await world.whoami([['authorization', `Bearer ${jwtOf(started)}`]])).status).toBe(200)
    const ended = await endTask(world.parts, app, started.task.id)
    expect(ended.endedAt).toBeTypeOf('number')
    const refused = await world.whoami([['authorization', `Bearer ${jwtOf(started)}`]])
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('invalid_token'),
    ])
    await expect(asTask(started)).rejects.toMatchObject({ code: 'unauthorized' })
    const credentials = await caller(await world.token(agent))
    expect(await refusal(renewTask(world.parts, credentials, started.task.id))).toEqual(['expired', undefined])
    expect(await refusal(renewTask(world.parts, live, started.task.id))).toEqual(['expired', undefined])
    const events = (await world.events('task.ended')).filter(event => event.task === started.task.id)
    expect(events).toHaveLength(1)
    expect((await endTask(world.parts, app, started.task.id)).endedAt).toBe(ended.endedAt)
  })

  test('past its end refuses like one that was ended', async () => {
    const started = await start({ expiresAt: world.parts.now() + 5_000 })
    const credentials = await caller(await world.token(agent))
    world.skip(5_000)
    await expect(asTask(started)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(await refusal(renewTask(world.parts, credentials, started.task.id))).toEqual(['expired', undefined])
  })

  test('lets its agent start others within it only: same agent, same user, no longer', async () => {
    const started = await start()
    const own = await asTask(started)
    const other = await world.client({})
    const { expiresAt } = started.task
    expect((await start({ expiresAt }, own)).task.createdBy).toBe(agent.id)
    expect(await refusal(start({ user: { external_id: 'bob' } }, own))).toEqual(['validation_failed', '/user'])
    expect(await refusal(start({ user: { external_id: 'nobody' } }, own))).toEqual(['validation_failed', '/user'])
    expect(await refusal(start({ agent: other.id }, own))).toEqual(['validation_failed', '/agent'])
    expect(await refusal(start({ expiresAt: expiresAt + 1 }, own))).toEqual(['validation_failed', '/expires_at'])
    const credentials = await caller(await world.token(agent))
    expect(await refusal(start({}, credentials))).toEqual(['validation_failed', ''])
    await endTask(world.parts, app, started.task.id)
    expect(await refusal(start({ expiresAt }, own))).toEqual(['unauthorized', undefined])
  })

  test('takes what was started within it along when it ends: an agent cannot outlive its task (P4)', async () => {
    const started = await start()
    world.skip(1)
    const within = await start({ expiresAt: started.task.expiresAt }, await asTask(started))
    const parallel = await start()
    const lives = await asTask(within)
    expect(lives.kind).toBe('agent')
    await endTask(world.parts, app, started.task.id)
    await expect(asTask(within)).rejects.toMatchObject({ code: 'unauthorized' })
    expect(await asTask(parallel)).toMatchObject({ task: parallel.task.id })
  })

  test('that ends while its agent starts others within it leaves none of them alive (P4)', async () => {
    for (let round = 0; round < 10; round++) {
      const started = await start()
      const own = await asTask(started)
      const { expiresAt } = started.task
      const attempts = Array.from({ length: 3 }, () => start({ expiresAt }, own).catch(() => undefined))
      const end = endTask(world.parts, app, started.task.id).catch(() => endTask(world.parts, app, started.task.id))
      for (const within of await Promise.all(attempts)) {
        await end
        if (within !== undefined) await expect(asTask(within)).rejects.toMatchObject({ code: 'unauthorized' })
      }
      await end
    }
  })

  test('is ended by its agent, or by an app or operator; it does not exist for other agents and users', async () => {
    const started = await start()
    const stranger = await caller(await world.token(await world.client({})))
    const bobs = await asTask(await start({ user: { external_id: 'bob' } }))
    const credentials = await caller(await world.token(agent))
    const sibling = await asTask(await start())
    for (const by of [stranger, bobs, credentials, sibling])
      expect(await refusal(endTask(world.parts, by, started.task.id))).toEqual(['not_found', undefined])
    expect(await refusal(endTask(world.parts, app, `tsk_${'0'.repeat(26)}`))).toEqual(['not_found', undefined])
    await endTask(world.parts, await asTask(started), started.task.id)
    await expect(asTask(started)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('ends the grants bound to it, and the end of an agent ends all of its (P4)', async () => {
    const started = await start()
    const bound = await insertGrant(started.task.id)
    const free = await insertGrant()
    const told: string[] = []
    const stop = world.parts.revocations.listen(ended => {
      if (ended.kind !== 'changed') told.push(ended.id)
    })
    await endTask(world.parts, app, started.task.id)
    expect(told).toEqual([started.task.id, bound.id])
    expect(await readGrant(bound)).toMatchObject({ endedReason: 'task_ended' })
    expect((await readGrant(free)).endedAt).toBeUndefined()
    const other = await start()
    await deleteClient(world.parts, world.operator, 'agent', agent.id)
    stop()
    expect(told.slice(2)).toEqual([agent.id, free.id])
    expect(await readGrant(free)).toMatchObject({ endedReason: 'agent_deleted' })
    await expect(asTask(other)).rejects.toMatchObject({ code: 'unauthorized' })
    const events = (await world.events('grant.revoked')).map(({ grant, facts }) => [grant, facts?.reason])
    expect(events).toEqual([
      [free.id, 'agent_deleted'],
      [bound.id, 'task_ended'],
    ])
  })
})

async function insertGrant(task?: TaskId): Promise<Grant> {
  const { parts, tenant } = world
  const now = parts.now()
  const connection = makeId('con', now, parts.random(10))
  const grant = await sealGrant(parts, {
    id: makeId('grt', now, parts.random(10)),
    tenant,
    user: alice as UserId,
    agent: agent.id as Grant['agent'],
    connection,
    permissions: ['example:messages:list'],
    paths: [],
    unattended: false,
    ...(task !== undefined && { task }),
    grantedBy: app.kind === 'app' ? app.app : (undefined as never),
    expiresAt: now + hour,
    createdAt: now,
    calls: 0,
  })
  await parts.store.change(tenant, rows => rows.grants.insert(grant))
  return grant
}

async function readGrant({ id }: Grant): Promise<Grant> {
  return (await world.parts.store.asTenant(world.tenant, rows => rows.grants.get(id)))!
}
