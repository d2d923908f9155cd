import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWireServer, type WireServer } from '../../../../../sdk/test/wire-server.ts'
import type { LocalCommands } from '../local-commands.ts'
import { runCli } from '../run-cli.ts'
import { captureIo } from '../test-io.ts'

const agent = `agt_${'2'.repeat(26)}`
const channel = [{ type: 'channels', in: ['query'], name: 'channel' }]
const operations = [
  { id: 'slack.conversations.history', resource_type: 'messages', action: 'list', resources: channel },
  { id: 'slack.chat.postMessage', resource_type: 'messages', action: 'write', resources: channel },
  { id: 'slack.users.list', resource_type: 'users', action: 'list' },
  { id: 'slack.files.sharedPublicURL', resource_type: 'files', action: 'share' },
]
const denial = (operation: string, more: object = {}) => {
  const { resource_type = 'any', action = 'fetch' } = operations.find(({ id }) => id === operation) ?? {}
  return {
    id: 'evt_1',
    type: 'access.denied',
    agent,
    connection: 'con_1',
    provider: 'slack',
    operation,
    resource_type,
    action,
    decision: { reasons: ['operation_not_permitted'] },
    http: { method: 'GET', host: 'slack.com', path_template: '3 segments abc' },
    ...more,
  }
}

let server: WireServer
beforeEach(async () => {
  server = await startWireServer()
})
afterEach(() => server.close())

async function suggest(events: readonly object[], line: readonly string[] = ['--from-denials', '--json']) {
  const routes: Readonly<Record<string, unknown>> = {
    'GET /v1/providers/slack': { id: 'slack', name: 'Slack', operations },
    'GET /v1/audit/events': { data: events, next_cursor: null },
  }
  server.route = ({ method, target }) => {
    const json = routes[`${method} ${target.split('?', 1)[0]}`]
    return json === undefined ? undefined : { status: 200, json }
  }
  const env = { VALETKEY_URL: server.url, VALETKEY_CLIENT_ID: 'client', VALETKEY_CLIENT_SECRET: 'secret' }
  const io = captureIo({ env })
  const code = await runCli(['grants', 'suggest', ...line], io, {} as LocalCommands)
  return { code, ...io.written }
}
const suggested = async (events: readonly object[]) => JSON.parse((await suggest(events)).out).suggestions

describe('grants suggest', () => {
  it('gives the fewest permissions for the denied calls, each once, as JSON and as a command', async () => {
    const [one, ...others] = await suggested([
      denial('slack.users.list'),
      denial('slack.conversations.history'),
      denial('slack.conversations.history'),
    ])
    expect(others).toEqual([])
    expect(one).toMatchObject({ agent, connection: 'con_1', denials: 3, by_hand: [], uncatalogued: [] })
    expect(one.grant).toEqual({
      agent,
      connection: 'con_1',
      permissions: ['slack:messages:list', 'slack:users:list'],
      expires_at: '2030-01-01T08:00:00.000Z',
    })
    expect(one.command).toBe(
      `valetkey grants add ${agent} con_1 --permissions slack:messages:list,slack:users:list --until 8h`,
    )
  })

  it('limits the grant to the resources of the denied calls when all of them named some', async () => {
    const [one] = await suggested([
      denial('slack.conversations.history', { resource_ids: ['C2'] }),
      denial('slack.chat.postMessage', { resource_ids: ['C1'] }),
    ])
    expect(one.grant.resources).toEqual({ channels: ['C1', 'C2'] })
    expect(one.command).toContain(' --resource channels=C1,C2 ')
    const [mixed] = await suggested([
      denial('slack.conversations.history', { resource_ids: ['C2'] }),
      denial('slack.users.list'),
    ])
    expect(mixed.grant.resources).toBeUndefined()
  })

  it('quotes what an agent wrote, and gives no command that would be read as more', async () => {
    const [one] = await suggested([denial('slack.conversations.history', { resource_ids: ["C1'; rm -rf /"] })])
    expect(one.command).toContain(` --resource 'channels=C1'\\''; rm -rf /' `)
    const [comma] = await suggested([denial('slack.conversations.history', { resource_ids: ['C1,C2'] })])
    expect(comma.command).toBeUndefined()
    expect(comma.grant.resources).toEqual({ channels: ['C1,C2'] })
  })

  it('never puts operations that share or hand out credentials into the grant: it lists their ids with a warning', async () => {
    const [one] = await suggested([denial('slack.files.sharedPublicURL')])
    expect(one.grant).toBeUndefined()
    expect(one.by_hand).toEqual([{ operation: 'slack.files.sharedPublicURL', action: 'share', denials: 1 }])
    const { out } = await suggest([denial('slack.files.sharedPublicURL')], ['--from-denials'])
    expect(out).toContain('Warning')
    expect(out).not.toContain('grants add')
  })

  it('says what cannot be suggested: uncatalogued calls are on record without their paths', async () => {
    const [one] = await suggested([denial('slack.unlisted'), denial('slack.unlisted')])
    expect(one.grant).toBeUndefined()
    expect(one.uncatalogued).toEqual([{ method: 'GET', host: 'slack.com', denials: 2 }])
    expect((await suggest([denial('slack.unlisted')], ['--from-denials'])).out).toContain('on no record')
  })

  it('keeps agents and connections apart, and passes over denials of other kinds', async () => {
    const all = await suggested([
      denial('slack.users.list'),
      denial('slack.users.list', { connection: 'con_2' }),
      denial('slack.users.list', { connection: 'con_3', decision: { reasons: ['missing_scopes'] } }),
      denial('slack.users.list', { connection: 'con_4', decision: { reasons: ['grant_required'] } }),
    ])
    expect(all.map(({ connection }: { connection: string }) => connection)).toEqual(['con_1', 'con_2'])
  })

  it('asks for what it reads, and says when nothing was denied', async () => {
    expect((await suggest([], [])).code).toBe(2)
    const line = ['--from-denials', '--agent', agent, '--connection', 'con_1', '--since', '24h']
    expect((await suggest([], line)).out).toContain('No call was denied')
    const asked = server.seen.find(({ target }) => target.startsWith('/v1/audit/events'))!.target
    expect(Object.fromEntries(new URL(asked, 'http://x').searchParams)).toMatchObject({
      type: 'access.denied',
      agent,
      connection: 'con_1',
      since: '2029-12-31T00:00:00.000Z',
    })
  })
})
