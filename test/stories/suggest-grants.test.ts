import { afterEach, expect, it } from 'vitest'
import { runCli } from '../../packages/server/src/edges/cli/run-cli.ts'
import { captureIo } from '../../packages/server/src/edges/cli/test-io.ts'
import { startRig } from '../rig.ts'

let close: (() => Promise<void>) | undefined
afterEach(() => close?.())

it('what an agent was denied is on the record, and grants suggest says what of it can be suggested', async () => {
  const rig = await startRig()
  close = () => rig.close()
  await rig.user('alice')
  const { provider, integration } = await rig.provider()
  const connection = await rig.connect({ user: 'alice', integration, provider })
  const agent = await rig.agent()
  await rig.grant({ agent: agent.id, connection, paths: [{ methods: ['GET'], pattern: '/api/me' }] })
  const { token } = await rig.task(agent.id, 'alice')
  expect((await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token })).status).toBe(403)
  expect((await rig.call('POST', `/proxy/${connection}/api/items`, {}, { token })).status).toBe(403)
  const env = {
    VALETKEY_URL: rig.url,
    VALETKEY_CLIENT_ID: rig.operator.client_id,
    VALETKEY_CLIENT_SECRET: rig.operator.client_secret,
  }
  const io = { ...captureIo({ env }), fetch, now: rig.now }
  const line = ['grants', 'suggest', '--from-denials', '--agent', agent.id, '--since', '1h', '--json']
  expect(await runCli(line, io, {} as never)).toBe(0)
  const { suggestions } = JSON.parse(io.written.out)
  expect(suggestions).toMatchObject([{ agent: agent.id, connection, by_hand: [], denials: 0 }])
  expect(suggestions[0].grant).toBeUndefined()
  const methods = suggestions[0].uncatalogued.map(({ method }: { method: string }) => method)
  expect(methods.sort()).toEqual(['GET', 'POST'])
})
