import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { problem, startWireServer, type WireRoute, type WireServer } from '../../../../sdk/test/wire-server.ts'
import type { LocalCommands } from './local-commands.ts'
import { runCli } from './run-cli.ts'
import { captureIo } from './test-io.ts'

const unused = async () => {
  throw new Error('not asked for')
}
const local: LocalCommands = {
  init: unused,
  serve: unused,
  migrate: unused,
  doctor: unused,
  demo: unused,
  tenantsCreate: unused,
  auditVerify: unused,
}

const integrationId = `int_${'1'.repeat(26)}`
const agentId = `agt_${'2'.repeat(26)}`
const provider = {
  id: 'slack',
  name: 'Slack',
  status: 'confirmed',
  registration: {
    url: 'https://api.slack.com/apps',
    steps: ['Create an app', 'Add the redirect URL'],
    traps: ['Token rotation cannot be switched off again'],
  },
  scopes: [
    { name: 'channels:read', description: 'See channels', access: 'read' },
    { name: 'chat:write', description: 'Send messages', access: 'write' },
  ],
  resource_types: [{ name: 'messages', words: 'messages in channels' }],
  operations: [{ id: 'slack.conversations.list', resource_type: 'channels', action: 'list' }],
  docs_url: 'https://docs.slack.dev',
}
const integration = {
  id: integrationId,
  provider: 'slack',
  status: 'ready',
  callback_url: `https://v.example/callback/${integrationId}`,
  created_at: '2030-01-01T00:00:00Z',
}

let server: WireServer

beforeEach(async () => {
  server = await startWireServer()
})
afterEach(() => server.close())

async function run(line: string[], given: Parameters<typeof captureIo>[0] = {}) {
  const env = { VALETKEY_URL: server.url, VALETKEY_CLIENT_ID: 'client', VALETKEY_CLIENT_SECRET: 'secret', ...given.env }
  const io = captureIo({ ...given, env })
  const code = await runCli(line, io, local)
  return { code, ...io.written }
}
const api =
  (routes: Readonly<Record<string, unknown>>): WireRoute =>
  ({ method, target }) => {
    const found = routes[`${method} ${target}`] ?? routes[`${method} ${target.split('?', 1)[0]}`]
    return found === undefined ? undefined : { status: method === 'POST' ? 201 : 200, json: found }
  }
const sent = (start: string) => server.seen.find(({ method, target }) => `${method} ${target}`.startsWith(start))

describe('integrations add', () => {
  beforeEach(() => {
    server.route = api({ 'GET /v1/providers/slack': provider, 'POST /v1/integrations': integration })
  })

  test('prints where to register, the exact callback URL, the minimal scopes and the known traps', async () => {
    const { code, out } = await run(
      ['integrations', 'add', 'slack', '--client-id', 'id', '--client-secret-file', 's'],
      {
        files: { s: 'shh\n' },
      },
    )
    expect(code).toBe(0)
    expect(out).toContain('  https://api.slack.com/apps\n  1. Create an app\n  2. Add the redirect URL\n')
    expect(out).toContain(`Callback URL, exactly\n  https://v.example/callback/${integrationId}\n`)
    expect(out).toContain('  channels:read  See channels\n')
    expect(out).not.toContain('chat:write')
    expect(out).toContain('Known traps\n  - Token rotation cannot be switched off again\n')
    expect(out).toContain(`Next: valetkey connect USER ${integrationId}`)
    expect(out).not.toContain('shh')
    expect(sent('POST /v1/integrations')?.json).toEqual({ provider: 'slack', client_id: 'id', client_secret: 'shh' })
  })

  test('without a client id it says how to give it later', async () => {
    server.route = api({
      'GET /v1/providers/slack': provider,
      'POST /v1/integrations': { ...integration, status: 'incomplete' },
    })
    const { out } = await run(['integrations', 'add', 'slack'])
    expect(out).toContain('Register at the provider')
    expect(out).toContain(`Next: valetkey integrations set ${integrationId} --client-id ID --client-secret-file FILE`)
  })

  test('--json is the integration with what to register', async () => {
    const { out } = await run(['integrations', 'add', 'slack', '--json'])
    expect(JSON.parse(out)).toEqual({
      ...integration,
      registration: provider.registration,
      minimal_scopes: ['channels:read'],
    })
  })

  test('overrides, origins and parameters go as the contract has them', async () => {
    const pairs = [
      '--origin',
      'https://slack.com=http://127.0.0.1:5002',
      '--override',
      'token_endpoint=http://127.0.0.1:5002/t?a=b',
    ]
    await run([
      'integrations',
      'add',
      'slack',
      ...pairs,
      '--parameter',
      'subdomain=acme',
      '--scopes',
      'a,b',
      '--scopes',
      'c',
    ])
    expect(sent('POST /v1/integrations')?.json).toEqual({
      provider: 'slack',
      scopes: ['a', 'b', 'c'],
      parameters: { subdomain: 'acme' },
      overrides: {
        token_endpoint: 'http://127.0.0.1:5002/t?a=b',
        origins: { 'https://slack.com': 'http://127.0.0.1:5002' },
      },
    })
    expect((await run(['integrations', 'add', 'slack', '--origin', 'nowhere'])).code).toBe(2)
  })

  test('a secret comes from standard input or a file; as a plain value it is warned about (row 24)', async () => {
    const piped = await run(['integrations', 'add', 'slack', '--client-secret-stdin'], { stdin: 'piped\n' })
    expect(piped).toMatchObject({ code: 0, err: '' })
    expect(sent('POST /v1/integrations')?.json).toMatchObject({ client_secret: 'piped' })
    server.seen.length = 0
    const plain = await run(['integrations', 'add', 'slack', '--client-secret', 'plain'])
    expect(plain.err).toContain('Prefer --client-secret-file or --client-secret-stdin')
    expect(plain.out + plain.err).not.toContain('plain\n')
    expect(sent('POST /v1/integrations')?.json).toMatchObject({ client_secret: 'plain' })
    server.seen.length = 0
    expect((await run(['integrations', 'add', 'slack', '--client-secret-file', 'none'])).code).toBe(1)
    expect((await run(['integrations', 'add', 'slack', '--client-secret-stdin'])).code).toBe(2)
    expect((await run(['integrations', 'add', 'slack', '--client-secret', 'x', '--client-secret-stdin'])).code).toBe(2)
    expect(server.seen).toHaveLength(0)
  })
})

describe('errors', () => {
  const refusal = problem(403, 'grant_required', 'No grant of alice covers this agent.', {
    reasons: [
      { code: 'grant_required', detail: 'No live grant', fix: 'Ask alice for one' },
      { code: 'missing_scopes', detail: 'channels:read is missing', fix: 'Connect again' },
    ],
    request_url: 'https://v.example/ask/1',
  })

  test('a problem is drawn with its title, detail, every reason and fix, and the next step', async () => {
    server.route = () => refusal
    const { code, out, err } = await run(['connections', 'show', 'con_1'])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toBe(
      [
        'valetkey: Title of grant_required (403 grant_required)',
        '  No grant of alice covers this agent.',
        '  - grant_required: No live grant',
        '    fix: Ask alice for one',
        '  - missing_scopes: channels:read is missing',
        '    fix: Connect again',
        '  Next: ask the owner to open https://v.example/ask/1',
        '  Request: req-1',
        '',
      ].join('\n'),
    )
  })

  test('under --json it is the problem document', async () => {
    server.route = () => refusal
    const { code, out } = await run(['connections', 'show', 'con_1', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toEqual(refusal.json)
  })

  test('faults of a body are told by their pointer, and a refused client by what to check', async () => {
    server.route = () =>
      problem(400, 'validation_failed', 'Not valid.', { errors: [{ pointer: '/email', detail: 'is no address' }] })
    expect((await run(['users', 'add', 'a'])).err).toContain('  Not valid.\n  /email: is no address\n')
    server.route = () =>
      problem(400, 'validation_failed', 'No such.', { errors: [{ pointer: '/user', detail: 'No such.' }] })
    expect((await run(['users', 'add', 'a'])).err.match(/No such/g)).toHaveLength(1)
    const refused = await run(['users', 'list'], { env: { VALETKEY_CLIENT_SECRET: 'wrong' } })
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('check VALETKEY_CLIENT_ID and VALETKEY_CLIENT_SECRET')
    expect(refused.err).not.toContain('wrong\n')
  })

  test('what a server says cannot repaint the terminal', async () => {
    server.route = () => problem(400, 'validation_failed', 'a\u001b[2Jb')
    expect((await run(['users', 'list'])).err).not.toContain('\u001b')
  })

  test('a server that is not there: exit code 1', async () => {
    const { code, err } = await run(['users', 'list', '--url', 'http://127.0.0.1:1'])
    expect(code).toBe(1)
    expect(err).toContain('gave no answer')
  })
})

test('lists are tables for people and the page of the API for programs', async () => {
  const data = [
    { id: 'usr_1', external_id: 'alice' },
    { id: 'usr_22', external_id: 'bob', email: 'b@x' },
  ]
  server.route = api({ 'GET /v1/users': { data, next_cursor: null }, 'GET /v1/users/usr_22': data[1] })
  expect((await run(['users', 'list'])).out).toBe(
    'ID      EXTERNAL ID  E-MAIL\nusr_1   alice\nusr_22  bob          b@x\n',
  )
  expect(JSON.parse((await run(['users', 'list', '--json'])).out)).toEqual({ data, next_cursor: null })
  expect((await run(['users', 'show', 'bob'])).out).toContain('usr_22')
  expect((await run(['users', 'show', 'carol'])).code).toBe(1)
})

test('members that are null say nothing, as those that are left out', async () => {
  const connection = { id: 'con_1', user: null, provider: 'slack', status: 'active', reason: null, last_used_at: null }
  const broken = { ...connection, id: 'con_2', status: 'needs_reauth', reason: 'destination_changed' }
  const grant = {
    id: 'grt_1',
    user: null,
    agent: agentId,
    connection: 'con_1',
    status: 'active',
    ended_reason: null,
    calls: 0,
  }
  server.route = api({ 'GET /v1/connections': { data: [connection, broken] }, 'GET /v1/grants': { data: [grant] } })
  const connections = await run(['connections', 'list'])
  expect(connections.out).toContain('con_1  (machine)  slack     active\n')
  expect(connections.out).toContain('needs_reauth (destination_changed)')
  expect((await run(['grants', 'list'])).out).not.toContain('null')
})

test('a check that fails is exit code 1, and an end that the provider did not confirm is said', async () => {
  server.route = api({
    'GET /v1/connections/con_1/check': { ok: true, checked: 'account' },
    'GET /v1/connections/con_2/check': { ok: false, checked: 'account', reason: 'token_refused' },
    'DELETE /v1/connections/con_1': {
      id: 'con_1',
      status: 'revoked',
      revoked: { access_token: 'failed', refresh_token: 'none' },
      also_revoked: ['con_9'],
      erased: true,
    },
  })
  expect((await run(['connections', 'check', 'con_1'])).code).toBe(0)
  expect(await run(['connections', 'check', 'con_2'])).toMatchObject({
    code: 1,
    out: expect.stringContaining('token_refused'),
  })
  const { code, out, err } = await run(['connections', 'delete', 'con_1'])
  expect(code).toBe(0)
  expect(out).toContain('con_9')
  expect(err).toContain('did not confirm')
})

test('colour is for terminals, and NO_COLOR is honoured', async () => {
  server.route = api({ 'GET /v1/providers/slack': provider, 'POST /v1/integrations': integration })
  const line = ['integrations', 'add', 'slack']
  expect((await run(line)).out).not.toContain('\u001b')
  expect((await run(line, { columns: 100 })).out).toContain('\u001b[1m')
  expect((await run(line, { columns: 100, env: { NO_COLOR: '1' } })).out).not.toContain('\u001b')
})

test('the secret of a new client goes to stdout once, with a word beside it', async () => {
  server.route = api({
    'POST /v1/agents': { id: agentId, name: 'digest', client_id: agentId, client_secret: 's3cret' },
  })
  const { out, err } = await run(['agents', 'add', 'digest', '--ceiling', 'slack:messages:*,slack:users:list'])
  expect(out).toContain('client secret  s3cret\n')
  expect(err).toContain('shown this once')
  expect(sent('POST /v1/agents')?.json).toEqual({ name: 'digest', ceiling: ['slack:messages:*', 'slack:users:list'] })
})

test('a private key is not sent where public keys belong', async () => {
  const files = { k: JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'private' }] }) }
  expect((await run(['agents', 'add', 'a', '--jwks-file', 'k'], { files })).code).toBe(2)
  expect(server.seen).toHaveLength(0)
})

test('a mistyped provider is answered with the one that was meant', async () => {
  server.route = ({ method, target }) => {
    if (target.startsWith('/v1/providers/')) return problem(404, 'not_found', 'Nothing by that id.')
    if (target.startsWith('/v1/providers'))
      return {
        json: { data: [provider, { ...provider, id: 'google-drive', name: 'Google Drive' }], next_cursor: null },
      }
    throw new Error(`${method} ${target} was not asked for`)
  }
  for (const [typed, meant] of [
    ['slak', 'Did you mean slack?'],
    ['Google Drive', 'Did you mean google-drive?'],
    ['drive', 'Did you mean google-drive?'],
    ['zzzzzz', 'valetkey providers list'],
  ] as const) {
    const { code, err } = await run(['integrations', 'add', typed])
    expect([code, err]).toEqual([1, `valetkey: There is no provider "${typed}".\n  Next: ${meant}\n`])
  }
  expect((await run(['providers', 'show', 'slak'])).err).toContain('Did you mean slack?')
  expect(JSON.parse((await run(['integrations', 'add', 'slak', '--json'])).out)).toEqual({
    ok: false,
    code: 'failed',
    detail: 'There is no provider "slak".',
    fix: 'Did you mean slack?',
  })
})

test('connect without --return-to warns that nobody can end the session yet', async () => {
  server.route = api({
    'GET /v1/integrations': { data: [integration] },
    'POST /v1/connect-sessions': { id: 'ses_1', connect_url: 'https://v.example/connect/x', status: 'open' },
  })
  const bare = await run(['connect', 'alice', 'slack'])
  expect(bare.code).toBe(0)
  expect(bare.err).toContain('nobody can end this session yet')
  expect(bare.out).toContain('Next: valetkey connect alice slack --return-to')
  const returning = await run(['connect', 'alice', 'slack', '--return-to', 'http://127.0.0.1:9/x'])
  expect(returning.err).toBe('')
})

test('connect prints the link, and completes with who is signed in', async () => {
  server.route = api({
    'GET /v1/integrations': { data: [integration] },
    'POST /v1/connect-sessions': {
      id: 'ses_1',
      connect_url: 'https://v.example/connect/x',
      expires_at: '2030-01-01T00:15:00Z',
      status: 'open',
    },
    'POST /v1/connect-sessions/ses_1/complete': { id: 'con_1', status: 'active' },
  })
  const begun = await run([
    'connect',
    'alice',
    'slack',
    '--resource-types',
    'messages',
    '--return-to',
    'http://127.0.0.1:9/x',
  ])
  expect(begun.out).toContain('https://v.example/connect/x')
  expect(sent('POST /v1/connect-sessions')?.json).toEqual({
    user: { external_id: 'alice' },
    integration: integrationId,
    resource_types: ['messages'],
    return_to: 'http://127.0.0.1:9/x',
  })
  const completed = await run(['connect', `usr_${'3'.repeat(26)}`, '--complete', 'ses_1', 'code-1'])
  expect(completed.code).toBe(0)
  expect(sent('POST /v1/connect-sessions/ses_1/complete')?.json).toEqual({
    completion_code: 'code-1',
    user: { id: `usr_${'3'.repeat(26)}` },
  })
})

test('a name that means several integrations is not guessed', async () => {
  server.route = api({
    'GET /v1/integrations': { data: [integration, { ...integration, id: `int_${'9'.repeat(26)}` }] },
  })
  const { code, err } = await run(['connect', 'alice', 'slack'])
  expect(code).toBe(1)
  expect(err).toContain(`int_${'9'.repeat(26)}`)
  expect(sent('POST')?.target).toBe('/oauth/token')
})

test('grants add sends permissions, paths, resources and an end', async () => {
  server.route = api({
    'GET /v1/agents': { data: [{ id: agentId, name: 'digest' }] },
    'POST /v1/grants': { id: 'grt_1' },
  })
  const line = ['grants', 'add', 'digest', 'con_1', '--permissions', 'slack:messages:*', '--until', '8h']
  await run([
    ...line,
    '--path',
    'get,HEAD api.x/v1/**',
    '--path',
    'POST /v2/{name}',
    '--resource',
    'channels=C1,C2',
    '--unattended',
    '--max-calls',
    '5',
  ])
  expect(sent('POST /v1/grants')?.json).toEqual({
    agent: agentId,
    connection: 'con_1',
    permissions: ['slack:messages:*'],
    paths: [
      { methods: ['GET', 'HEAD'], host: 'api.x', pattern: '/v1/**' },
      { methods: ['POST'], pattern: '/v2/{name}' },
    ],
    resources: { channels: ['C1', 'C2'] },
    expires_at: '2030-01-01T08:00:00.000Z',
    max_calls: 5,
    unattended: true,
  })
})

test('a task is started for a person and ended by hand', async () => {
  server.route = api({
    'POST /v1/tasks': { id: 'tsk_1', access_token: 'at', expires_in: 600 },
    'POST /v1/tasks/tsk_1/end': { id: 'tsk_1', status: 'ended' },
  })
  const { out } = await run([
    'tasks',
    'start',
    agentId,
    'alice',
    '--purpose',
    'Digest',
    '--until',
    '2030-01-02T00:00:00Z',
    '--json',
  ])
  expect(JSON.parse(out)).toEqual({ id: 'tsk_1', access_token: 'at', expires_in: 600 })
  expect(sent('POST /v1/tasks')?.json).toEqual({
    agent: agentId,
    user: { external_id: 'alice' },
    purpose: 'Digest',
    expires_at: '2030-01-02T00:00:00.000Z',
  })
  expect((await run(['tasks', 'end', 'tsk_1'])).code).toBe(0)
})

describe('call', () => {
  const env = { VALETKEY_TOKEN: 'task-token' }
  beforeEach(() => {
    server.live.add('task-token')
  })

  test('goes through the connection with the task token, byte for byte both ways', async () => {
    server.route = () => ({ text: '{"a":\u001b1}\n' })
    const { code, out } = await run(['call', 'con_1', 'post', '/api/x?q=1', '--body', '{"b":1}', '-H', 'X-Own: yes'], {
      env,
    })
    expect(code).toBe(0)
    expect(out).toBe('{"a":\u001b1}\n')
    expect(sent('POST /proxy/con_1/api/x?q=1')).toMatchObject({
      body: '{"b":1}',
      headers: { authorization: 'Bearer task-token', 'content-type': 'application/json', 'x-own': 'yes' },
    })
  })

  test('with a folder and no token says that an agent calls, and how to get its token', async () => {
    for (const line of [
      ['call', 'con_1', 'GET', '/x'],
      ['decide', 'con_1', 'GET', '/x'],
    ]) {
      for (const given of [
        { line: [...line, '--data', 'd'] },
        { line, env: { VALETKEY_DATA: 'd', VALETKEY_URL: '' } },
      ]) {
        const { code, err } = await run(given.line, { env: given.env ?? {} })
        expect(code).toBe(1)
        expect(err).toContain("an agent's token, and none was given")
        expect(err).toContain('Next: valetkey tasks start AGENT USER')
      }
    }
    expect(server.seen).toHaveLength(0)
  })

  test('what comes to a terminal cannot repaint it', async () => {
    server.route = () => ({ text: 'a\u001b[2Jb' })
    expect((await run(['call', 'con_1', 'GET', '/x'], { env, columns: 80 })).out).toBe('a\ufffd[2Jb\n')
  })

  test('an error of the provider is shown as it is, with exit code 1; a refusal as a problem', async () => {
    server.route = () => ({ status: 404, json: { error: 'nope' } })
    const theirs = await run(['call', 'con_1', 'GET', '/x', '--json'], { env })
    expect(theirs.code).toBe(1)
    expect(JSON.parse(theirs.out)).toMatchObject({ status: 404, body: { error: 'nope' } })
    server.route = () => problem(403, 'operation_not_permitted', 'Not this.')
    const ours = await run(['call', 'con_1', 'GET', '/x'], { env })
    expect(ours).toMatchObject({ code: 1, out: '' })
    expect(ours.err).toContain('403 operation_not_permitted')
  })

  test('a path that would leave the connection is wrong use, and nothing is sent (row 22)', async () => {
    for (const path of ['/../con_2/x', 'x', '//evil/x']) {
      expect((await run(['call', 'con_1', 'GET', path], { env })).code).toBe(2)
    }
    expect(server.seen).toHaveLength(0)
  })

  test('decide answers with every reason and its fix: exit code 0 allowed, 1 denied', async () => {
    const decision = { operation: 'slack.chat.postMessage', resource_type: 'messages', action: 'write', reasons: [] }
    server.route = api({ 'POST /v1/decisions': { ...decision, allowed: true, grant: 'grt_1' } })
    const yes = await run(['decide', 'con_1', 'post', '/api/chat.postMessage', '--body', '{"channel":"C1"}'], { env })
    expect(yes).toMatchObject({ code: 0, out: 'Allowed: slack.chat.postMessage (messages:write)\n  by grt_1\n' })
    expect(sent('POST /v1/decisions')?.json).toEqual({
      connection: 'con_1',
      method: 'POST',
      path: '/api/chat.postMessage',
      body: { channel: 'C1' },
    })
    const reasons = [
      { code: 'operation_not_permitted', detail: 'Only reading is granted', fix: 'Ask for slack:messages:write' },
    ]
    server.route = api({ 'POST /v1/decisions': { ...decision, allowed: false, reasons } })
    const no = await run(['decide', 'con_1', '--operation', 'slack.chat.postMessage'], { env })
    expect(no.code).toBe(1)
    expect(no.out).toContain('Denied: slack.chat.postMessage')
    expect(no.out).toContain(
      '  - operation_not_permitted: Only reading is granted\n    fix: Ask for slack:messages:write\n',
    )
  })
})

describe('audit', () => {
  const event = (id: string, second: number, more: object = {}) => ({
    id,
    time: `2030-01-01T00:00:${String(second).padStart(2, '0')}.000Z`,
    type: 'access.denied',
    outcome: 'denied',
    agent: agentId,
    provider: 'slack',
    operation: 'slack.chat.postMessage',
    decision: { reasons: ['operation_not_permitted'] },
    ...more,
  })

  test('query passes the filters of the API and shows the next page', async () => {
    server.route = api({ 'GET /v1/audit/events': { data: [event('evt_1', 1)], next_cursor: 'more' } })
    const filters = [
      '--type',
      'access.denied',
      '--resource-type',
      'messages',
      '--agent',
      agentId,
      '--since',
      '24h',
      '--limit',
      '5',
    ]
    const { out } = await run(['audit', 'query', ...filters])
    expect(out).toMatch(/^TIME +TYPE +OUTCOME +AGENT +PROVIDER +OPERATION +REASONS\n/)
    expect(out).toContain('2030-01-01 00:00:01Z  access.denied  denied')
    expect(out).toContain('More: --cursor more')
    const query = new URL(sent('GET /v1/audit/events')!.target, server.url).searchParams
    expect(Object.fromEntries(query)).toEqual({
      type: 'access.denied',
      resource_type: 'messages',
      agent: agentId,
      since: '2029-12-31T00:00:00.000Z',
      limit: '5',
    })
  })

  test('tail shows every event once and in order, also one that appears late, until it is stopped', async () => {
    const stop = new AbortController()
    const pages = [
      [event('evt_2', 20), event('evt_1', 10)],
      [event('evt_4', 22), event('evt_2', 20)],
      [event('evt_4', 22), event('evt_3', 21), event('evt_2', 20)],
      'away',
      [event('evt_5', 23), event('evt_4', 22), event('evt_3', 21)],
    ]
    const sinces: (string | null)[] = []
    server.route = ({ target }) => {
      sinces.push(new URL(target, server.url).searchParams.get('since'))
      const page = pages.shift()
      if (pages.length === 0) stop.abort()
      return page === 'away' ? problem(503, 'unavailable', 'Away.') : { json: { data: page, next_cursor: null } }
    }
    const { code, out } = await run(['audit', 'tail', '--json', '--lines', '2'], { signal: stop.signal })
    expect(code).toBe(0)
    const ids = out
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { id: string }).id)
    expect(ids).toEqual(['evt_1', 'evt_2', 'evt_4', 'evt_3', 'evt_5'])
    expect(sinces[0]).toBeNull()
    expect(sinces[1]).toBe('2030-01-01T00:00:15.000Z')
  })

  test('tail draws one heading, and a refusal ends it', async () => {
    let asked = 0
    server.route = () => {
      asked += 1
      if (asked === 1) return { json: { data: [event('evt_1', 1)] } }
      if (asked === 2) return { json: { data: [event('evt_2', 2), event('evt_1', 1)] } }
      return problem(403, 'insufficient_scope', 'audit:read is missing.')
    }
    const { code, out, err } = await run(['audit', 'tail'])
    expect(code).toBe(1)
    expect(err).toContain('audit:read is missing')
    const lines = out.trimEnd().split('\n')
    expect(lines.map(line => line.slice(0, 20).trim())).toEqual([
      'TIME',
      '2030-01-01 00:00:01Z',
      '2030-01-01 00:00:02Z',
    ])
    expect(lines[2]?.indexOf('slack')).toBe(lines[0]?.indexOf('PROVIDER'))
  })
})

describe('--data', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-cli-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('speaks through the socket in the folder, as the operator and without any token', async () => {
    const socket = await startWireServer(join(folder, 'valetkey.sock'))
    try {
      socket.isTrusting = true
      socket.route = () => ({ json: { data: [{ id: 'usr_1', external_id: 'alice' }] } })
      const { code, out } = await run(['users', 'list', '--data', folder])
      expect(code).toBe(0)
      expect(out).toContain('alice')
      expect(socket.seen.map(({ target }) => target)).toEqual(['/healthz', '/v1/users?limit=200'])
      expect(socket.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true)
      expect(server.seen).toHaveLength(0)
      socket.live.add('task-token')
      await run(['users', 'list', '--data', folder], { env: { VALETKEY_TOKEN: 'task-token' } })
      expect(socket.seen.at(-1)?.headers.authorization).toBe('Bearer task-token')
    } finally {
      await socket.close()
    }
  })

  test('without a server the folder is opened if it can be, else the command that starts one is said', async () => {
    const { code, err } = await run(['users', 'list', '--data', folder])
    expect(code).toBe(1)
    expect(err).toContain(`valetkey serve --data ${folder}`)
    let isClosed = false
    const opened: LocalCommands = {
      ...local,
      openFolder: async ({ data }) => ({
        fetch: async () => Response.json({ data: [{ id: 'usr_1', external_id: data }] }),
        close: async () => {
          isClosed = true
        },
      }),
    }
    const io = captureIo()
    expect(await runCli(['users', 'list', '--data', folder], io, opened)).toBe(0)
    expect(io.written.out).toContain(folder)
    expect(isClosed).toBe(true)
    const stuck: LocalCommands = {
      ...local,
      openFolder: async () => ({
        fetch: async () => Response.json({ data: [] }),
        close: async () => {
          throw new Error('the store would not close')
        },
      }),
    }
    const shown = captureIo()
    expect(await runCli(['users', 'list', '--data', folder], shown, stuck)).toBe(1)
    expect(shown.written.err).toContain('the store would not close')
  })
})
