import { afterEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../../core/connection.ts'
import { checkConnection } from '../../../flows/credentials/check-connection.ts'
import { disconnect } from '../../../flows/credentials/disconnect.ts'
import { acme, openRig, type Rig } from './test-rig.ts'

let rig: Rig
afterEach(() => rig.close())

const read = (connection: Connection) =>
  rig.parts.store.asTenant(rig.tenant, rows => rows.connections.get(connection.id))

describe('a check of a connection', () => {
  it('proves that the provider takes the token and that the account is still this one, without data', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    expect(await checkConnection(rig.parts, rig.operator, alice.id)).toEqual({ ok: true, checked: 'account' })
    expect(rig.provider.requests.to('api').map(request => request.path)).toEqual(['/api/me'])
  })

  it('renews a token that is no longer taken, and asks again', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    rig.provider.expireAccessTokens('alice')
    expect(await checkConnection(rig.parts, rig.operator, alice.id)).toMatchObject({ ok: true })
    expect(rig.provider.requests.to('token')).toHaveLength(1)
  })

  it('says that the owner has to connect again when the provider took its consent back (row 72)', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    rig.provider.revokeAccess('alice')
    expect(await checkConnection(rig.parts, rig.operator, alice.id)).toMatchObject({ ok: false })
    expect((await read(alice))?.status).toBe('needs_reauth')
  })

  it('keeps a connection whose provider is down, and says so', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    rig.provider.script({ at: 'api', kind: 'status' })
    const check = await checkConnection(rig.parts, rig.operator, alice.id)
    expect(check).toEqual({ ok: false, checked: 'account', reason: 'provider_unavailable' })
    expect((await read(alice))?.status).toBe('active')
  })
})

describe('a disconnect', () => {
  it("says which connections die with it where the provider ends a person's tokens all at once (row 74)", async () => {
    const entry = { ...acme, oauth: { ...acme.oauth, authorizationModel: 'per_user_client' as const } }
    rig = await openRig({ entry })
    const [first, second, bob] = [await rig.connect('alice'), await rig.connect('alice'), await rig.connect('bob')]
    const ended = await disconnect(rig.parts, rig.operator, first.id)
    expect(ended.alsoRevoked).toEqual([second.id])
    expect(await read(second)).toMatchObject({ status: 'needs_reauth', reason: 'revoked_with_another' })
    expect((await read(bob))?.status).toBe('active')
  })

  it('holds here also when the provider cannot be reached, and tells that upstream it failed (row 74)', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice')
    await rig.grant(alice)
    const task = await rig.task('alice')
    rig.provider.script({ at: 'revoke', kind: 'drop_before', times: 2 })
    const ended = await disconnect(rig.parts, rig.operator, alice.id)
    expect(ended.revoked).toEqual({ access_token: 'failed', refresh_token: 'failed' })
    expect((await rig.ask(`/proxy/${alice.id}/api/items`, task)).status).toBe(404)
    expect((await rig.events('connection.deleted'))[0]?.facts).toMatchObject({ access_token: 'failed' })
  })

  it('in the middle of a renewal leaves no token alive that nobody holds', async () => {
    rig = await openRig()
    const alice = await rig.connect('alice', { expiresInMs: -1_000 })
    await rig.grant(alice)
    const task = await rig.task('alice')
    const hold = rig.provider.hold('token')
    const call = rig.ask(`/proxy/${alice.id}/api/items`, task)
    await hold.arrived
    await disconnect(rig.parts, rig.operator, alice.id)
    hold.release()
    expect((await call).status).toBe(404)
    await expect.poll(() => rig.provider.activeTokens()).toEqual([])
    expect(await rig.parts.store.asTenant(rig.tenant, rows => rows.credentials.get(alice.id))).toBeUndefined()
  })
})
