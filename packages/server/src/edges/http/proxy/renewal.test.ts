import { afterEach, describe, expect, it } from 'vitest'
import { databases } from '../../../../../../test/databases.ts'
import type { Connection } from '../../../core/connection.ts'
import { createRevocations } from '../../../core/revocations.ts'
import { renewNow } from '../../../flows/credentials/renew-now.ts'
import { renewToken } from '../../../flows/credentials/renew-token.ts'
import type { Parts } from '../../../parts.ts'
import { openRig, type Rig } from './test-rig.ts'

let rig: Rig
afterEach(() => rig.close())

interface Scene {
  readonly connection: Connection
  readonly token: string
  readonly path: string
}

async function scene(
  tokens: { readonly expiresInMs?: number } = {},
  options: Parameters<typeof openRig>[0] = {},
): Promise<Scene> {
  rig = await openRig(options)
  const connection = await rig.connect('alice', tokens)
  await rig.grant(connection, {
    permissions: ['acme:items:*', 'acme:items:write'],
    paths: [{ methods: ['POST'], pattern: '/api/echo' }],
  })
  const { token } = await rig.task('alice')
  return { connection, token, path: `/proxy/${connection.id}/api/items` }
}

const refreshes = () => rig.provider.requests.to('token').length
const calls = () => rig.provider.requests.to('api').length
const read = (connection: Connection) =>
  rig.parts.store.asTenant(rig.tenant, rows => rows.connections.get(connection.id))

describe('renewal of a credential', () => {
  it('happens once for 200 calls at once on one expired credential, and every call is answered (P5)', async () => {
    const { token, path } = await scene({ expiresInMs: -1_000 })
    const answers = await Promise.all(Array.from({ length: 200 }, () => rig.ask(path, { token })))
    expect(answers.filter(answer => answer.status !== 200)).toEqual([])
    expect(refreshes()).toBe(1)
    expect(await rig.events('connection.refreshed')).toHaveLength(1)
  })

  it('is not noticed by an agent: an expiry is crossed between two calls (P5)', async () => {
    const { token, path, connection } = await scene()
    expect((await rig.ask(path, { token })).status).toBe(200)
    rig.skip(3_590_000)
    const later = await rig.task('alice')
    await rig.grant(connection)
    expect((await rig.ask(path, later)).status).toBe(200)
    await expect.poll(refreshes).toBe(1)
    rig.skip(20_000)
    expect((await rig.ask(path, later)).status).toBe(200)
    expect(refreshes()).toBe(1)
  })

  it('that fails harms no token which is still good, and waits before it tries again (P5, row 72)', async () => {
    const { token, path, connection } = await scene({ expiresInMs: 60_000 })
    rig.provider.script({ at: 'token', kind: 'status', times: 100 })
    rig.skip(57_000)
    for (let i = 0; i < 5; i++) expect((await rig.ask(path, { token })).status).toBe(200)
    await expect.poll(refreshes).toBe(1)
    rig.skip(4_000)
    const failed = await rig.ask(path, { token })
    expect([failed.status, failed.json.code]).toEqual([503, 'refresh_failed'])
    expect(Number(failed.headers['retry-after'])).toBeGreaterThan(0)
    expect((await read(connection))?.status).toBe('active')
    rig.provider.clearScript()
    rig.skip(120_000)
    expect((await rig.ask(path, { token })).status).toBe(200)
    expect(await rig.events('connection.recovered')).toHaveLength(1)
  })

  it('that the provider refuses for good needs a person, and is not tried again (row 72)', async () => {
    const { token, path, connection } = await scene({ expiresInMs: -1_000 })
    rig.provider.revokeAccess('alice')
    const answer = await rig.ask(path, { token })
    expect([answer.status, answer.json.code]).toEqual([409, 'needs_reauth'])
    expect(await read(connection)).toMatchObject({ status: 'needs_reauth', reason: 'invalid_grant' })
    const again = await rig.ask(path, { token })
    expect([again.status, again.json.code]).toEqual([409, 'needs_reauth'])
    expect(refreshes()).toBe(1)
    expect(await rig.events('connection.needs_reauth')).toHaveLength(1)
  })

  it('whose answer was lost is not sent again while the old token works, and then ends in needs_reauth with that reason (P5)', async () => {
    const { token, path, connection } = await scene({ expiresInMs: 60_000 })
    rig.provider.script({ at: 'token', kind: 'drop_after' })
    rig.skip(57_000)
    expect((await rig.ask(path, { token })).status).toBe(200)
    await expect.poll(async () => (await rig.events('connection.refresh_failed')).length).toBe(1)
    expect((await rig.ask(path, { token })).status).toBe(200)
    rig.skip(4_000)
    const doubtful = await rig.ask(path, { token })
    expect([doubtful.status, doubtful.json.code]).toEqual([503, 'refresh_failed'])
    expect(refreshes()).toBe(1)
    rig.skip(40_000)
    const over = await rig.ask(path, { token })
    expect([over.status, over.json.code]).toEqual([409, 'needs_reauth'])
    expect(refreshes()).toBe(2)
    expect(await read(connection)).toMatchObject({ status: 'needs_reauth', reason: 'refresh_in_doubt' })
  })

  it('whose request never arrived is tried again and loses nothing (P5)', async () => {
    const { token, path } = await scene({ expiresInMs: -1_000 })
    rig.provider.script({ at: 'token', kind: 'drop_before' })
    const first = await rig.ask(path, { token })
    expect([first.status, first.json.code]).toEqual([503, 'refresh_failed'])
    rig.skip(61_000)
    expect((await rig.ask(path, { token })).status).toBe(200)
  })

  it('follows a 401 once for all callers, and each call is sent once more (P5, row 63)', async () => {
    const { token, path } = await scene()
    rig.provider.expireAccessTokens('alice')
    const answers = await Promise.all(Array.from({ length: 40 }, () => rig.ask(path, { token })))
    expect(answers.filter(answer => answer.status !== 200)).toEqual([])
    expect(refreshes()).toBe(1)
    const completed = await rig.events('access.completed')
    expect(completed.some(event => event.facts?.replayed === true)).toBe(true)
  })

  it('stops at two calls upstream where the provider says 401 for ever, and passes it (row 63)', async () => {
    const { token, connection } = await scene()
    const path = `/proxy/${connection.id}/api/status/401`
    const answer = await rig.ask(path, { token })
    expect(answer.status).toBe(401)
    expect(answer.headers).not.toHaveProperty('valetkey-error')
    expect(rig.provider.requests.to('/api/status/401')).toHaveLength(2)
    expect(refreshes()).toBe(1)
    await rig.ask(path, { token })
    expect(rig.provider.requests.to('/api/status/401')).toHaveLength(3)
    expect(refreshes()).toBe(1)
    // The account endpoint still takes the token: the connection stays as it is.
    expect((await read(connection))?.status).toBe('active')
  })

  it('sends a body again after a 401 if it was kept, and asks for it where it was not', async () => {
    const { token, path, connection } = await scene()
    rig.provider.expireAccessTokens('alice')
    const kept = await rig.ask(path, {
      token,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"twice"}',
    })
    expect([kept.status, kept.json.title]).toEqual([201, 'twice'])
    rig.provider.expireAccessTokens('alice')
    const large = {
      token,
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: Buffer.alloc(3_000_000, 0x89),
    }
    const asked = await rig.ask(`/proxy/${connection.id}/api/echo`, large)
    expect([asked.status, asked.json.code]).toEqual([503, 'retry_body'])
    const again = await rig.ask(`/proxy/${connection.id}/api/echo`, large)
    expect(again.status).toBe(200)
    expect(rig.provider.requests.to('/api/echo').at(-1)!.bodyBytes).toBe(3_000_000)
  })

  it('by hand gives a new generation, whatever was left of the old one', async () => {
    const { connection } = await scene()
    await renewNow(rig.parts, rig.operator, connection.id)
    const credential = await rig.parts.store.asTenant(rig.tenant, rows => rows.credentials.get(connection.id))
    expect(credential?.generation).toBe(2)
    expect(refreshes()).toBe(1)
    expect(calls()).toBe(0)
  })

  it('is not sent under a lease that grew old while the process was paused (P5)', async () => {
    const { connection } = await scene({ expiresInMs: -1_000 })
    let isPaused = false
    const parts: Parts = {
      ...rig.parts,
      monotonic: () => performance.now() + (isPaused ? 20_000 : 0),
      oauth: {
        ...rig.parts.oauth,
        refresh: (send, request) => {
          isPaused = true
          return rig.parts.oauth.refresh(send, request)
        },
      },
    }
    const of = { connection, integration: rig.integration }
    const renewal = await renewToken(parts, of, { generation: 1, isDead: true })
    expect(renewal.kind).toBe('failed')
    expect(refreshes()).toBe(0)
  })

  it('happens once among several processes on one database (P5)', async () => {
    const postgres = databases().find(kind => kind.name === 'postgres')!
    const { connection } = await scene({ expiresInMs: -1_000 }, { open: postgres.open })
    const stores = await Promise.all(['two', 'three'].map(nodeId => rig.database.reopen({ nodeId })))
    const processes = [
      rig.parts,
      ...stores.map((store, at) => ({ ...rig.parts, store, nodeId: `n${at}`, revocations: createRevocations() })),
    ]
    const of = { connection, integration: rig.integration }
    const renewals = await Promise.all(
      processes.flatMap(parts => [1, 2, 3].map(() => renewToken(parts, of, { generation: 1, isDead: true }))),
    )
    expect(renewals.map(renewal => renewal.kind === 'renewed' && renewal.credential.generation)).toEqual(
      Array(9).fill(2),
    )
    expect(refreshes()).toBe(1)
  })
})
