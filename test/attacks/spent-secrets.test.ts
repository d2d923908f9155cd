import type { TestProvider } from '@valetkey/test-provider'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, idOf, onBoth, type Rig, startRig, walk } from '../rig.ts'

/** What is no longer the current secret of a connection, or never was its token, but was sent to its provider all the same. */
describe.each(onBoth)('a provider that gives back what it was once sent, on $database', ({ database }) => {
  let rig: Rig
  let provider: TestProvider
  let integration: string
  let connection: string
  let token: string
  beforeAll(async () => {
    rig = await startRig({ database })
    const made = await rig.provider()
    provider = made.provider
    integration = made.integration
    await rig.user('alice')
    const agent = await rig.agent()
    connection = await rig.connect({ user: 'alice', integration, provider })
    await rig.grant({ agent: agent.id, connection, user: { external_id: 'alice' }, paths: everyPath })
    token = (await rig.task(agent.id, 'alice')).token
  })
  afterAll(() => rig.close())

  /** What an agent sees of a text that comes back from the provider. */
  const echoed = async (text: string): Promise<string> => {
    const answer = await rig.call('POST', `/proxy/${connection}/api/echo`, text, {
      token,
      headers: { 'content-type': 'text/plain' },
    })
    expect(answer.status).toBe(200)
    return answer.body.body
  }
  const redemption = () => new URLSearchParams(provider.requests.to('token', 'POST').at(-1)!.body)
  const bearer = () => provider.requests.to('/api/echo').at(-1)!.headers.authorization!.replace('Bearer ', '')

  it('gives back no code, no verifier and no client secret (P1)', async () => {
    const sent = redemption()
    for (const secret of [sent.get('code')!, sent.get('code_verifier')!, 'integration-secret-0123456789abcdef']) {
      expect(secret.length).toBeGreaterThan(20)
      expect(await echoed(`<${secret}>`)).toBe(`<${'*'.repeat(secret.length)}>`)
      expect(await echoed(encodeURIComponent(`<${secret}>`))).toMatch(/^%3C\*+%3E$/)
    }
  })

  it('gives back no token of the generation before (P1)', async () => {
    await echoed('x')
    const before = bearer()
    const renewed = await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)
    expect(renewed.status).toBe(200)
    expect(await echoed(before)).toBe('*'.repeat(before.length))
    expect(bearer()).not.toBe(before)
  })

  it('gives back nothing of a repair under way, nor what it replaced (P1)', async () => {
    await echoed('x')
    const before = bearer()
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration,
      connection,
      scopes: ['openid', 'email', 'offline_access', 'items:read', 'items:write'],
      return_to: 'http://127.0.0.1:9/done',
    })
    const session = idOf(opened)
    const returned = await walk(opened.body.connect_url, provider, 'alice')
    const sent = redemption()
    for (const secret of [sent.get('code')!, sent.get('code_verifier')!])
      expect(await echoed(secret)).toBe('*'.repeat(secret.length))
    const done = await rig.asOperator('POST', `/v1/connect-sessions/${session}/complete`, {
      completion_code: returned.searchParams.get('completion_code'),
      user: { external_id: 'alice' },
    })
    expect([done.status, done.body.id]).toEqual([200, connection])
    expect(await echoed(before)).toBe('*'.repeat(before.length))
    expect(bearer()).not.toBe(before)
    for (const secret of [sent.get('code')!, sent.get('code_verifier')!])
      expect(await echoed(secret)).toBe('*'.repeat(secret.length))
  })
})
