import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { databases } from '../../../../../../test/databases.ts'
import type { ProviderEntry } from '../../../core/catalogue/provider.ts'
import { issueToken } from '../../../flows/agents/issue-token.ts'
import { loadClient } from '../../../flows/agents/load-client.ts'
import { endGrant } from '../../../flows/grants/end-grant.ts'
import { acme, openRig, type Rig } from './test-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** A token of the agent alone, without a user. */
async function tokenAlone(): Promise<string> {
  const client = await loadClient(rig.parts, rig.tenant, rig.agent)
  const order = {
    tenant: { id: rig.tenant, name: 'Example', createdAt: 0 },
    client: client!,
    audience: rig.url,
    scopes: client!.scopes,
    lifetimeSeconds: 600,
  }
  const issued = await issueToken(rig.parts, order, { requestId: 'req_test' }, async () => undefined)
  return issued.accessToken.reveal()
}

describe.each(databases())('which connection a call reaches, on $name', ({ open }) => {
  it('is for a provider id the only granted one, and else a question with candidates', async () => {
    rig = await openRig({ open })
    const { token } = await rig.task('alice')
    const none = await rig.ask('/proxy/acme/api/items', { token })
    expect([none.status, none.json.code, none.json.required_scopes]).toEqual([409, 'connection_required', []])
    const first = await rig.connect('alice')
    const ungranted = await rig.ask('/proxy/acme/api/items', { token })
    expect([ungranted.status, ungranted.json.code]).toEqual([403, 'grant_required'])
    const grant = await rig.grant(first)
    expect((await rig.ask('/proxy/acme/api/items', { token })).status).toBe(200)
    const second = await rig.connect('alice')
    expect((await rig.ask('/proxy/acme/api/items', { token })).status).toBe(200)
    await rig.grant(second)
    const several = await rig.ask('/proxy/acme/api/items', { token })
    expect([several.status, several.json.code]).toEqual([409, 'conflict'])
    expect(several.json.candidates.sort()).toEqual([first.id, second.id].sort())
    await endGrant(rig.parts, rig.operator, grant.id)
    expect((await rig.ask('/proxy/acme/api/items', { token })).status).toBe(200)
  })

  it('is for one agent with two people only that of the person whose task it is (P6)', async () => {
    rig = await openRig({ open })
    const [alice, bob] = [await rig.connect('alice'), await rig.connect('bob')]
    await rig.grant(alice)
    await rig.grant(bob)
    const tasks = { alice: await rig.task('alice'), bob: await rig.task('bob') }
    for (const [name, own, other] of [
      ['alice', alice, bob],
      ['bob', bob, alice],
    ] as const) {
      expect((await rig.ask(`/proxy/${own.id}/api/items`, tasks[name])).status).toBe(200)
      expect((await rig.ask('/proxy/acme/api/items', tasks[name])).status).toBe(200)
      expect((await rig.ask(`/proxy/${other.id}/api/items`, tasks[name])).status).toBe(404)
    }
    expect(rig.provider.requests.to('api').map(request => request.user)).toEqual(['alice', 'alice', 'bob', 'bob'])
  })

  it('is for a token without a user one whose grant is marked unattended (P3)', async () => {
    rig = await openRig({ open })
    const alice = await rig.connect('alice')
    await rig.grant(alice)
    const token = await tokenAlone()
    const refused = await rig.ask(`/proxy/${alice.id}/api/items`, { token })
    expect([refused.status, refused.json.code]).toEqual([403, 'grant_required'])
    await rig.grant(alice, { unattended: true })
    expect((await rig.ask(`/proxy/${alice.id}/api/items`, { token })).status).toBe(200)
    expect((await rig.ask('/proxy/acme/api/items', { token })).status).toBe(200)
  })
})

describe('a provider whose endpoints are discovered', () => {
  it('is reached by paths of a grant alone, and its own OAuth endpoints by nothing (row 22)', async () => {
    const file = new URL('../../../../../../catalogue/generic-oidc.json', import.meta.url)
    const entry = JSON.parse(readFileSync(file, 'utf8')) as ProviderEntry
    rig = await openRig({ entry, overrides: url => ({ issuer: url }) })
    const alice = await rig.connect('alice')
    await rig.grant(alice, { permissions: [], paths: [{ methods: ['GET', 'POST'], pattern: '/**' }] })
    const task = await rig.task('alice')
    const items = await rig.ask(`/proxy/${alice.id}/api/items`, task)
    expect(items.status).toBe(200)
    const event = (await rig.events('access.allowed'))[0]!
    expect(event).toMatchObject({ operation: 'generic-oidc.unlisted', action: 'fetch', resource_type: 'any' })
    expect(event.http?.path_template).toMatch(/^2 segments [\w-]{22}$/)
    for (const path of ['/token', '/authorize', '/revoke', '/introspect']) {
      const answer = await rig.ask(`/proxy/${alice.id}${path}`, { ...task, method: 'POST' })
      expect([path, answer.status, answer.json.code]).toEqual([path, 403, 'operation_not_permitted'])
    }
    // Userinfo is an ordinary path: what it says to a token without openid is the provider's own answer.
    const userinfo = await rig.ask(`/proxy/${alice.id}/userinfo`, task)
    expect([userinfo.status, userinfo.headers['valetkey-error']]).toEqual([403, undefined])
    expect(rig.provider.requests.to('userinfo')).toHaveLength(1)
    expect(rig.provider.requests.to('token')).toEqual([])
    expect(rig.provider.requests.to('discovery')).toHaveLength(1)
  })
})

describe('an answer that the entry declares equal to 401', () => {
  it('renews like one, and where nothing can be renewed the owner has to connect again (row 63)', async () => {
    const { account: _, ...oauth } = acme.oauth
    const entry: ProviderEntry = {
      ...acme,
      oauth,
      api: { ...acme.api, unauthorizedAnswers: [{ status: 200, pointer: '/error', values: ['token_revoked'] }] },
    }
    rig = await openRig({ entry })
    const alice = await rig.connect('alice')
    await rig.grant(alice)
    const task = await rig.task('alice')
    const refusal = { at: 'api', kind: 'body', status: 200, body: { ok: false, error: 'token_revoked' } } as const
    rig.provider.script(refusal)
    const renewed = await rig.ask(`/proxy/${alice.id}/api/items`, task)
    expect(renewed.json).toHaveProperty('data')
    expect(rig.provider.requests.to('token')).toHaveLength(1)
    rig.provider.script({ ...refusal, times: 2 })
    const passed = await rig.ask(`/proxy/${alice.id}/api/items`, task)
    expect(passed.json).toEqual({ ok: false, error: 'token_revoked' })
    await expect.poll(async () => (await rig.ask(`/proxy/${alice.id}/api/items`, task)).json.code).toBe('needs_reauth')
  })
})

describe('after all of it', () => {
  it('no token and no secret is in the log or in the events (P1, row 24)', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    await rig.grant(alice)
    const task = await rig.task('alice')
    for (const fault of ['status', 'drop_before', 'drop_after', 'half_answer'] as const) {
      rig.provider.script([
        { at: 'api', kind: fault },
        { at: 'token', kind: fault },
      ])
      await rig.ask(`/proxy/${alice.id}/api/reflect?as=verbatim`, task).catch(() => undefined)
      rig.provider.expireAccessTokens('alice')
      await rig.ask(`/proxy/${alice.id}/api/items`, task).catch(() => undefined)
      rig.skip(100_000)
    }
    const seen = `${rig.logged.join('\n')}${JSON.stringify(await rig.events())}`
    expect(rig.logged.length).toBeGreaterThan(0)
    for (const secret of [...rig.provider.allIssuedSecrets(), task.token]) expect(seen).not.toContain(secret)
    expect(seen).not.toContain('canary-')
  })
})
