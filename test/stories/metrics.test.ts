import { expect, it } from 'vitest'
import { everyPath, startRig } from '../rig.ts'

it('metrics count calls and name nobody; they are the operators’ alone (CONTRACT 4)', async () => {
  const rig = await startRig()
  try {
    const { provider, integration } = await rig.provider()
    await rig.user('alice')
    const agent = await rig.agent()
    const connection = await rig.connect({ user: 'alice', integration, provider })
    await rig.grant({ agent: agent.id, connection, paths: everyPath.map(rule => ({ ...rule, methods: ['GET'] })) })
    const { token } = await rig.task(agent.id, 'alice')
    const call = (method: string) => rig.call(method, `/proxy/${connection}/api/me`, undefined, { token })
    expect([(await call('GET')).status, (await call('GET')).status, (await call('DELETE')).status]).toEqual([
      200, 200, 403,
    ])
    await expect
      .poll(async () => (await rig.asOperator('GET', '/metrics')).text)
      .toContain('valetkey_calls_total{outcome="ok"} 2\n')
    const { text, headers } = await rig.asOperator('GET', '/metrics')
    expect(headers.get('content-type')).toContain('text/plain; version=0.0.4')
    expect(text).toContain('valetkey_calls_total{outcome="denied"} 1\n')
    expect(text).toContain('valetkey_call_duration_seconds_bucket{le="+Inf"} 2\n')
    for (const name of [connection, agent.id, 'alice', '/api/me', rig.tenant]) expect(text).not.toContain(name)
    expect((await rig.call('GET', '/metrics')).status).toBe(401)
    expect((await rig.call('GET', '/metrics', undefined, { token })).status).toBe(403)
  } finally {
    await rig.close()
  }
})
