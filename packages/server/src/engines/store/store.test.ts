import { randomBytes } from 'node:crypto'
import type { AuditEvent } from '@valetkey/contract/events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../../../../test/databases.ts'
import type { Client } from '../../core/client.ts'
import type { ConnectSession } from '../../core/connect-session.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import type { Grant } from '../../core/grant.ts'
import { type Id, makeId, type TenantId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import type { Sealed } from '../../core/secret.ts'
import type { Task } from '../../core/task.ts'
import type { User } from '../../core/user.ts'
import { expectedVersion } from './migrations.ts'

let clock = 1_700_000_000_000
const id = <P extends string>(prefix: P): Id<P> => makeId(prefix, clock++, randomBytes(10))
const sealed = (text: string) => text as Sealed

function aUser(tenant: TenantId, externalId: string): User {
  return { id: id('usr'), tenant, externalId, displayName: 'Ada', createdAt: 1, updatedAt: 2 }
}

function aGrant(tenant: TenantId, more: Partial<Grant> = {}): Grant {
  return {
    id: id('grt'),
    tenant,
    user: id('usr'),
    agent: id('agt'),
    connection: id('con'),
    permissions: ['slack:messages:list'],
    paths: [{ methods: ['GET'], pattern: '/x/**' }],
    unattended: true,
    grantedBy: id('app'),
    expiresAt: 5_000,
    createdAt: 1_000,
    calls: 0,
    mac: 'k.mac',
    ...more,
  }
}

function aConnection(tenant: TenantId, more: Partial<Connection> = {}): Connection {
  return {
    id: id('con'),
    tenant,
    user: id('usr'),
    integration: id('int'),
    provider: 'one',
    status: 'active',
    scopes: ['a', 'b'],
    requestedScopes: ['a'],
    kind: 'oauth2',
    createdAt: 1,
    updatedAt: 1,
    ...more,
  }
}

function anEvent(more: Partial<AuditEvent> = {}): AuditEvent {
  return { id: id('evt'), time: new Date(clock++).toISOString(), type: 'access.allowed', outcome: 'allowed', ...more }
}

describe.each(databases())('the store on $name', ({ name, open }) => {
  let database: TestDatabase
  const tenant = id('ten')
  beforeAll(async () => {
    database = await open()
    await database.store.createTenant({ id: tenant, name: 'First', createdAt: 7 })
  })
  afterAll(() => database?.close())

  test('a tenant is found by the locator before it is known', async () => {
    const { store } = database
    expect(await store.locator.firstTenant()).toBe(tenant)
    expect(await store.locator.tenantBySlug('nobody')).toBeUndefined()
    expect(await store.locator.tenants()).toEqual([{ id: tenant }])
    expect(await store.asTenant(tenant, rows => rows.tenantRow())).toEqual({ id: tenant, name: 'First', createdAt: 7 })
    await expect(store.createTenant({ id: id('ten'), name: 'Another first', createdAt: 7 })).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  test('every noun comes back as it was written, with what was left out left out', async () => {
    const user = aUser(tenant, 'ada')
    const client: Client = {
      id: id('agt'),
      tenant,
      kind: 'agent',
      name: 'Agent',
      authenticationMethod: 'private_key_jwt',
      jwks: { keys: [{ kty: 'OKP', b: 1, a: 2 }] },
      scopes: ['connections:use'],
      redirectUris: [],
      returnToUrls: ['https://app.example/back'],
      ceiling: [],
      createdAt: 1,
      updatedAt: 1,
      mac: 'm',
    }
    const integration: Integration = {
      id: id('int'),
      tenant,
      provider: 'one',
      name: 'One',
      clientId: 'c',
      sealedClientSecret: sealed('vk1.x'),
      scopes: ['a'],
      parameters: { access_type: 'offline' },
      overrides: { origins: { 'https://a.example': 'http://127.0.0.1:1' } },
      destinationDigest: 'd',
      createdAt: 1,
      updatedAt: 1,
    }
    const connection = aConnection(tenant, { user: user.id, integration: integration.id, accountId: 'T1' })
    const credential: Credential = {
      connection: connection.id,
      generation: 1,
      sealedAccessToken: sealed('vk1.a'),
      destinationDigest: 'd',
      accessExpiresAt: 9_007_199_254_740_991,
      obtainedAt: 1,
      refreshFailures: 0,
    }
    const grant = aGrant(tenant, { user: user.id, agent: client.id as Grant['agent'], connection: connection.id })
    const task: Task = {
      id: id('tsk'),
      tenant,
      agent: grant.agent,
      user: user.id,
      purpose: 'Sum up the week “so far”',
      createdBy: grant.grantedBy,
      createdAt: 1,
      expiresAt: 2,
      mac: 'k.task',
    }
    const session: ConnectSession = {
      id: id('ses'),
      tenant,
      user: user.id,
      integration: integration.id,
      scopes: ['a'],
      resourceTypes: ['messages'],
      createdBy: grant.grantedBy,
      status: 'open',
      linkHash: 'link',
      stateHash: 'state',
      sealedVerifier: sealed('vk1.v'),
      completionFailures: 0,
      createdAt: 1,
      expiresAt: 10,
    }
    await database.store.change(tenant, async rows => {
      await rows.users.insert(user)
      await rows.clients.insert(client)
      await rows.integrations.insert(integration)
      await rows.connections.insert(connection)
      await rows.credentials.insert(credential)
      await rows.grants.insert(grant)
      await rows.tasks.insert(task)
      await rows.sessions.insert(session)
    })
    await database.store.asTenant(tenant, async rows => {
      expect(await rows.users.get(user.id)).toEqual(user)
      expect(await rows.users.byExternalId('ada')).toEqual(user)
      expect(await rows.clients.get(client.id)).toEqual(client)
      expect(await rows.integrations.get(integration.id)).toEqual(integration)
      expect(await rows.connections.get(connection.id)).toEqual(connection)
      expect(await rows.connections.sameAccount(integration.id, 'T1')).toEqual([connection])
      expect(await rows.credentials.get(connection.id)).toEqual(credential)
      expect(await rows.grants.get(grant.id)).toEqual(grant)
      expect(await rows.grants.of(grant.agent, connection.id)).toEqual([grant])
      expect(await rows.tasks.get(task.id)).toEqual(task)
      expect(await rows.sessions.byLink('link')).toEqual(session)
      expect(await rows.sessions.byState('state')).toEqual(session)
    })
    const updated: User = { id: user.id, tenant, externalId: 'ada', email: 'a@b.example', createdAt: 1, updatedAt: 3 }
    await database.store.change(tenant, async rows => {
      await rows.users.update(updated)
      await rows.clients.update({ ...client, disabledAt: 5 })
      await rows.integrations.update({ ...integration, name: 'Two' })
      await rows.connections.update({ ...connection, status: 'needs_reauth', reason: 'because', lastUsedAt: 99 })
      await rows.connections.touch(connection.id, 50)
      await rows.connections.touch(connection.id, 40)
      await rows.tasks.end(task.id, 8, 'mac of 8')
      await rows.tasks.end(task.id, 9, 'mac of 9')
      await rows.grants.end({ ...grant, endedAt: 6, endedReason: 'revoked', mac: 'k.new' })
      await rows.grants.end({ ...grant, endedAt: 7, endedReason: 'expired', mac: 'k.late' })
    })
    await database.store.asTenant(tenant, async rows => {
      expect(await rows.users.get(user.id)).toEqual(updated)
      expect((await rows.clients.list('agent', { limit: 5 })).rows).toEqual([{ ...client, disabledAt: 5 }])
      expect((await rows.integrations.list({ limit: 5, provider: 'one' })).rows).toMatchObject([{ name: 'Two' }])
      expect(await rows.connections.get(connection.id)).toMatchObject({ status: 'needs_reauth', lastUsedAt: 50 })
      expect(await rows.tasks.get(task.id)).toMatchObject({ endedAt: 8, mac: 'mac of 8' })
      expect(await rows.grants.get(grant.id)).toEqual({ ...grant, endedAt: 6, endedReason: 'revoked', mac: 'k.new' })
    })
  })

  test('a change holds as a whole or not at all', async () => {
    const [kept, lost] = [aUser(tenant, 'kept'), aUser(tenant, 'lost')]
    await database.store.change(tenant, rows => rows.users.insert(kept))
    await expect(
      database.store.change(tenant, async rows => {
        await rows.users.insert(lost)
        throw new Error('second thoughts')
      }),
    ).rejects.toThrow('second thoughts')
    await expect(
      database.store.change(tenant, async rows => {
        await rows.users.insert(lost)
        await rows.users.insert(aUser(tenant, 'kept'))
      }),
    ).rejects.toMatchObject({ code: 'conflict' })
    await expect(
      database.store.change(tenant, async rows => {
        await rows.users.insert(lost)
        await rows.users.insert(aUser(tenant, 'kept')).catch(() => 'swallowed')
      }),
    ).rejects.toThrow(TypeError)
    expect(await database.store.asTenant(tenant, rows => rows.users.get(lost.id))).toBeUndefined()
    expect(await database.store.asTenant(tenant, rows => rows.users.get(kept.id))).toEqual(kept)
  })

  test('reads cannot write, and rows do not outlive their transaction', async () => {
    const { store } = database
    await expect(store.asTenant(tenant, rows => rows.users.insert(aUser(tenant, 'sneaky')))).rejects.toThrow()
    await expect(store.asTenant(tenant, rows => rows.audit.append([anEvent()]))).rejects.toThrow(TypeError)
    const leaked = await store.change(tenant, async rows => rows)
    await expect(leaked.users.insert(aUser(tenant, 'late'))).rejects.toThrow(TypeError)
    expect(await store.asTenant(tenant, rows => rows.users.byExternalId('sneaky'))).toBeUndefined()
    expect(await store.asTenant(tenant, rows => rows.users.byExternalId('late'))).toBeUndefined()
  })

  test('a transaction within a change is refused instead of waiting for itself', async () => {
    const { store } = database
    await expect(store.change(tenant, () => store.change(tenant, async () => {}))).rejects.toThrow(TypeError)
    await expect(store.change(tenant, () => store.record(tenant, { event: anEvent() }))).rejects.toThrow(TypeError)
  })

  test('listings go page by page, each row once, and a cursor that is none is the caller’s fault', async () => {
    const integration = id('int')
    const all = Array.from({ length: 7 }, () => aConnection(tenant, { integration }))
    await database.store.change(tenant, async rows => {
      for (const connection of [...all].reverse()) await rows.connections.insert(connection)
    })
    await database.store.asTenant(tenant, async rows => {
      const seen: Connection[] = []
      let cursor: string | undefined
      do {
        const page = await rows.connections.list({ limit: 3, integration, ...(cursor !== undefined && { cursor }) })
        seen.push(...page.rows)
        cursor = page.nextCursor
      } while (cursor !== undefined)
      expect(seen).toEqual(all)
      const among = [all[1]!.id, all[5]!.id]
      expect((await rows.connections.list({ limit: 9, among })).rows.map(row => row.id)).toEqual(among)
      expect(await rows.connections.list({ limit: 9, among: [] })).toEqual({ rows: [] })
      for (const bad of ['', 'x', '%', Buffer.from("con_' or 1=1").toString('base64url')]) {
        const asked = rows.connections.list({ limit: 3, cursor: bad })
        await expect(asked).rejects.toMatchObject({
          code: 'validation_failed',
          more: { errors: [{ pointer: '/cursor' }] },
        })
      }
    })
  })

  test('a credential moves on from the generation that was read, and under one lease (P5)', async () => {
    const { store } = database
    const connection = id('con')
    const first: Credential = {
      connection,
      generation: 1,
      sealedAccessToken: sealed('vk1.1'),
      destinationDigest: 'd',
      obtainedAt: 1,
      refreshFailures: 0,
    }
    await store.change(tenant, rows => rows.credentials.insert(first))
    const claim = (holder: string, now: number, generation = 1) =>
      store.change(tenant, rows =>
        rows.credentials.claimLease({ connection, generation, holder, now, until: now + 10 }),
      )
    expect(await claim('a', 100)).toBe(true)
    expect(await claim('b', 105)).toBe(false)
    expect(await claim('a', 105)).toBe(true)
    expect(await claim('b', 115)).toBe(true)
    expect(await claim('a', 116, 2)).toBe(false)
    await store.change(tenant, rows => rows.credentials.releaseLease({ connection, holder: 'a', failures: 9 }))
    expect(await store.asTenant(tenant, rows => rows.credentials.get(connection))).toMatchObject({
      refreshFailures: 0,
      leaseHolder: 'b',
    })
    const replaced = await Promise.all(
      ['x', 'y'].map(text =>
        store.change(tenant, rows =>
          rows.credentials.replace({ ...first, generation: 2, sealedAccessToken: sealed(text) }, 1),
        ),
      ),
    )
    expect(replaced.sort()).toEqual([false, true])
    expect(await store.asTenant(tenant, rows => rows.credentials.get(connection))).not.toHaveProperty('leaseHolder')
    await store.change(tenant, rows => rows.credentials.erase(connection))
    expect(await store.asTenant(tenant, rows => rows.credentials.get(connection))).toBeUndefined()
  })

  test('connections of an integration are marked at once, but not those that are over', async () => {
    const integration = id('int')
    const [active, revoked] = [
      aConnection(tenant, { integration }),
      aConnection(tenant, { integration, status: 'revoked' }),
    ]
    const changed = await database.store.change(tenant, async rows => {
      await rows.connections.insert(active)
      await rows.connections.insert(revoked)
      return rows.connections.markIntegration(integration, 'needs_reauth', 'destination_changed', 5)
    })
    expect(changed).toEqual([active.id])
  })

  test('live and ended grants are told apart as the rules do it', async () => {
    const agent = id('agt')
    const grants = {
      live: aGrant(tenant, { agent, expiresAt: 100, maxCalls: 2, idleTimeoutSeconds: 1 }),
      expired: aGrant(tenant, { agent, expiresAt: 50 }),
      spent: aGrant(tenant, { agent, maxCalls: 2, calls: 2 }),
      idle: aGrant(tenant, { agent, createdAt: -2_000, lastUsedAt: -1_000, idleTimeoutSeconds: 1 }),
      ended: aGrant(tenant, { agent, endedAt: 3, endedReason: 'revoked' }),
    }
    await database.store.change(tenant, async rows => {
      for (const grant of Object.values(grants)) await rows.grants.insert({ ...grant, createdAt: grant.createdAt })
    })
    await database.store.asTenant(tenant, async rows => {
      const now = 50
      const active = await rows.grants.list({ limit: 9, agent, status: 'active', now })
      const ended = await rows.grants.list({ limit: 9, agent, status: 'ended', now })
      expect(active.rows.map(row => row.id)).toEqual([grants.live.id])
      expect(ended.rows).toHaveLength(4)
      expect((await rows.grants.liveOfAgent(agent, now)).map(row => row.id)).not.toContain(grants.ended.id)
    })
  })

  test('each step of a connect session happens once', async () => {
    const { store } = database
    const session: ConnectSession = {
      id: id('ses'),
      tenant,
      user: id('usr'),
      integration: id('int'),
      scopes: [],
      resourceTypes: [],
      createdBy: id('app'),
      status: 'started',
      linkHash: 'l2',
      stateHash: 's2',
      sealedVerifier: sealed('v'),
      completionFailures: 0,
      createdAt: 1,
      expiresAt: 10,
    }
    await store.change(tenant, rows => rows.sessions.insert(session))
    const { stateHash: _, sealedVerifier: __, ...rest } = session
    const next: ConnectSession = { ...rest, status: 'awaiting_completion' }
    const won = await Promise.all(
      [1, 2].map(() => store.change(tenant, rows => rows.sessions.advance(next, 'started', 's2'))),
    )
    expect(won.sort()).toEqual([false, true])
    await store.asTenant(tenant, async rows => {
      expect(await rows.sessions.byState('s2')).toBeUndefined()
      expect(await rows.sessions.get(session.id)).toEqual(next)
      expect((await rows.sessions.overdue(10, 9)).map(row => row.id)).toContain(session.id)
      expect((await rows.sessions.overdue(9, 9)).map(row => row.id)).not.toContain(session.id)
    })
  })

  test('authorizations, used keys and idempotency keys count once and go when they are over (row 26)', async () => {
    const { store } = database
    const row = { model: 'Code', idHash: 'h', payload: '{}', grantHash: 'g', uidHash: 'u', expiresAt: 10 }
    const answer = {
      client: id('app'),
      route: 'POST /v1/x',
      keyHash: 'k',
      bodyHash: 'b',
      status: 201,
      answer: '{}',
      expiresAt: 10,
    }
    await store.change(tenant, rows => rows.authorizations.upsert(row))
    const consumed = await Promise.all(
      [1, 2, 3].map(at => store.change(tenant, rows => rows.authorizations.consume('Code', 'h', at))),
    )
    expect(consumed.filter(Boolean)).toHaveLength(1)
    await store.change(tenant, rows => rows.authorizations.upsert({ ...row, payload: '{"a":1}' }))
    expect(await store.asTenant(tenant, rows => rows.authorizations.byUid('Code', 'u'))).toMatchObject({
      payload: '{"a":1}',
      consumedAt: expect.any(Number),
    })
    const once = () => store.change(tenant, rows => rows.authorizations.once('jti', 'x', 10))
    expect([await once(), await once()]).toEqual([true, false])
    const insert = (now?: number) => store.change(tenant, rows => rows.idempotency.insert(answer, now))
    expect([await insert(), await insert(), await insert(9), await insert(10)]).toEqual([true, false, false, true])
    expect(await store.asTenant(tenant, rows => rows.idempotency.get(answer.client, answer.route, 'k'))).toEqual(answer)
    expect(await store.change(tenant, rows => rows.sweepExpired(9, 100))).toBe(0)
    expect(await store.change(tenant, rows => rows.sweepExpired(10, 100))).toBe(3)
    await store.change(tenant, async rows => {
      await rows.authorizations.upsert(row)
      await rows.authorizations.deleteByGrant('g')
    })
    expect(await store.asTenant(tenant, rows => rows.authorizations.get('Code', 'h'))).toBeUndefined()
  })

  test('keys are kept in the order they were made', async () => {
    const key = { id: 'k1', wrapped: 'w', createdAt: 1 }
    const signing = { kid: 's1', publicJwk: '{}', sealedPrivateJwk: 'vk1.j', createdAt: 1 }
    await database.store.change(tenant, async rows => {
      await rows.keys.insertTenantKey({ ...key, id: 'k0', createdAt: 2 })
      await rows.keys.insertTenantKey(key)
      await rows.keys.insertSigningKey(signing)
    })
    await database.store.asTenant(tenant, async rows => {
      expect((await rows.keys.tenantKeys()).map(row => row.id)).toEqual(['k1', 'k0'])
      expect(await rows.keys.signingKeys()).toEqual([signing])
    })
  })

  test('a row of another tenant is refused, and an unknown one is not found', async () => {
    const stranger = aUser(id('ten'), 'stranger')
    await expect(database.store.change(tenant, rows => rows.users.insert(stranger))).rejects.toThrow(TypeError)
    await expect(
      database.store.change(tenant, rows => rows.users.update({ ...stranger, tenant })),
    ).rejects.toMatchObject({ code: 'not_found' })
  })

  test('text that one of the databases could not hold is refused by both', async () => {
    for (const bad of ['a\0b', 'a\ud800']) {
      await expect(database.store.change(tenant, rows => rows.users.insert(aUser(tenant, bad)))).rejects.toMatchObject({
        code: 'validation_failed',
      })
      await expect(database.store.asTenant(tenant, rows => rows.users.byExternalId(bad))).rejects.toMatchObject({
        code: 'validation_failed',
      })
    }
    const odd = aUser(tenant, `'; drop table users; -- “ünï” \u{1f511}`)
    await database.store.change(tenant, rows => rows.users.insert(odd))
    expect(await database.store.asTenant(tenant, rows => rows.users.byExternalId(odd.externalId))).toEqual(odd)
  })

  test('health says what it stands on', async () => {
    expect(await database.store.health()).toEqual({
      schemaVersion: expectedVersion,
      expectedSchemaVersion: expectedVersion,
      mayBypassRowSecurity: false,
      rowSecurityProven: true,
      isWritable: true,
    })
    expect(database.store.kind).toBe(name)
    expect(await database.raw('select count(*) as n from users where external_id = ?', ['probe'])).toEqual([
      { n: name === 'sqlite' ? 0 : '0' },
    ])
  })
})
