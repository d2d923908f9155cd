import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../../core/connection.ts'
import { Secret } from '../../../core/secret.ts'
import { sealTokens } from '../../../flows/credentials/store-tokens.ts'
import { openRig, type Rig } from './test-rig.ts'

describe('a credential that another process renewed', () => {
  let rig: Rig
  let alice: Connection
  let token: string
  beforeAll(async () => {
    rig = await openRig()
    alice = await rig.connect('alice')
    await rig.grant(alice, { paths: [{ methods: ['POST'], pattern: '/api/echo' }] })
    token = (await rig.task('alice')).token
  })
  afterAll(() => rig.close())

  const echoed = async (body: string): Promise<string> =>
    (
      await rig.ask(`/proxy/${alice.id}/api/echo`, {
        token,
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
      })
    ).json.body

  it('leaves the generation before among the secrets that no answer shows (P1)', async () => {
    await echoed('x')
    const old = rig.provider.requests.at(-1)!.headers.authorization!.replace('Bearer ', '')
    const { store, now } = rig.parts
    const row = (await store.asTenant(rig.tenant, rows => rows.credentials.get(alice.id)))!
    const tokens = rig.provider.issueTokens('alice', 'test-client', ['items:read'])
    const next = await sealTokens(
      rig.parts,
      alice,
      rig.integration,
      { accessToken: new Secret(tokens.accessToken), ...(tokens.expiresAt && { expiresAt: tokens.expiresAt }) },
      row.generation + 1,
      now(),
    )
    await store.change(rig.tenant, rows => rows.credentials.replace(next, row.generation))
    rig.parts.revocations.tell({ kind: 'changed', tenant: rig.tenant, connection: alice.id })
    expect(await echoed(old)).toBe('*'.repeat(old.length))
    expect(await echoed(tokens.accessToken)).toBe('*'.repeat(tokens.accessToken.length))
  })
})
