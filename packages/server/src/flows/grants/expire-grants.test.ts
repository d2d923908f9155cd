import { describe, expect, it } from 'vitest'
import { onBoth, startRig } from '../../../../../test/rig.ts'
import { expireGrants } from './expire-grants.ts'

describe.each(onBoth)('grants that end by themselves on $database', ({ database }) => {
  it('are written down once, with the time and the reason of their end (P4)', async () => {
    const rig = await startRig({ database })
    try {
      const { provider, integration } = await rig.provider()
      await rig.user('alice')
      const agent = await rig.agent()
      const connection = await rig.connect({ user: 'alice', integration, provider })
      const paths = [{ methods: ['GET'], pattern: '/**' }]
      const end = new Date(rig.now() + 60_000).toISOString()
      const timed = await rig.grant({ agent: agent.id, connection, paths, expires_at: end })
      const idle = await rig.grant({ agent: agent.id, connection, paths, idle_timeout_seconds: 30 })
      const lasting = await rig.grant({ agent: agent.id, connection, paths })
      expect(await expireGrants(rig.system.parts, rig.tenant)).toBe(0)
      rig.advance(61)
      expect(await expireGrants(rig.system.parts, rig.tenant)).toBe(2)
      expect(await expireGrants(rig.system.parts, rig.tenant)).toBe(0)
      const read = async (id: string) => (await rig.asOperator('GET', `/v1/grants/${id}`)).body
      expect(await read(timed)).toMatchObject({ status: 'ended', ended_reason: 'expired', ended_at: end })
      expect(await read(idle)).toMatchObject({ status: 'ended', ended_reason: 'idle' })
      expect(await read(lasting)).toMatchObject({ status: 'active', ended_at: null })
      const events = await rig.asOperator('GET', '/v1/audit/events?type=grant.expired')
      expect(events.body.data.map((event: { grant: string }) => event.grant).sort()).toEqual([timed, idle].sort())
    } finally {
      await rig.close()
    }
  })
})
