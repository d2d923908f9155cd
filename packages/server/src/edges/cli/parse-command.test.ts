import { expect, test } from 'vitest'
import { commands } from './commands.ts'
import type { LocalCommands } from './local-commands.ts'
import { parseCommand } from './parse-command.ts'
import { runCli } from './run-cli.ts'
import { captureIo } from './test-io.ts'

const asked: [string, object][] = []
const noting = (name: string) => async (options: object) => {
  asked.push([name, options])
  return 0
}
const local: LocalCommands = {
  init: noting('init'),
  serve: noting('serve'),
  migrate: noting('migrate'),
  doctor: noting('doctor'),
  demo: noting('demo'),
  tenantsCreate: noting('tenantsCreate'),
  auditVerify: noting('auditVerify'),
}

async function run(line: string[], env: Record<string, string> = {}) {
  asked.length = 0
  const io = captureIo({ env })
  const code = await runCli(line, io, local)
  return { code, ...io.written, asked: asked[0] }
}

test.each([
  [
    ['init', '--data', 'd', '--root-key', 'k', '--json'],
    ['init', { data: 'd', rootKey: 'k', json: true }],
  ],
  [
    ['init', '--data', 'd'],
    ['init', { data: 'd', json: false }],
  ],
  [
    ['serve', '--port', '0', '--host', '::1', '--dev'],
    ['serve', { port: 0, host: '::1', dev: true, json: false }],
  ],
  [
    ['serve', '--data=d', '--config', 'f', '--json'],
    ['serve', { data: 'd', config: 'f', dev: false, json: true }],
  ],
  [
    ['migrate', '--json'],
    ['migrate', { json: true }],
  ],
  [
    ['doctor', '--data', 'd'],
    ['doctor', { data: 'd', json: false }],
  ],
  [
    ['demo', '--open'],
    ['demo', { open: true, json: false }],
  ],
  [
    ['tenants', 'create', 'acme', '--json'],
    ['tenantsCreate', { name: 'acme', json: true }],
  ],
  [
    ['audit', 'verify', '--data', 'd', '--json'],
    ['auditVerify', { data: 'd', json: true }],
  ],
])('%j reaches the local command with its options', async (line, expected) => {
  expect(await run(line)).toMatchObject({ code: 0, asked: expected })
  expect(asked[0]?.[1]).toEqual(expected[1])
})

test('VALETKEY_DATA stands in for --data, and --data wins', async () => {
  const env = { VALETKEY_DATA: 'from-env' }
  expect((await run(['init'], env)).asked).toEqual(['init', { data: 'from-env', json: false }])
  expect((await run(['init', '--data', 'd'], env)).asked).toEqual(['init', { data: 'd', json: false }])
})

test('the exit code of a local command is the exit code', async () => {
  expect(await runCli(['doctor'], captureIo(), { ...local, doctor: async () => 1 })).toBe(1)
})

test.each([
  [[], 'valetkey --help'],
  [['init'], 'valetkey init --data ./vault'],
  [['serve', '--port', '70000'], 'valetkey serve --help'],
  [['serve', '--port', 'x'], 'whole number'],
  [['serve', '--prot', '1'], 'Did you mean --port?'],
  [['serve', 'extra'], 'does not take "extra"'],
  [['users', 'add'], 'needs EXTERNAL_ID'],
  [['usrs', 'add', 'x'], 'Did you mean: valetkey users add'],
  [['integrations'], 'one more word'],
  [['integrations', 'lst'], 'valetkey integrations list'],
  [['users', '--data', 'D'], 'valetkey users needs one more word'],
  [['users', '--data', 'D', 'lst'], 'Did you mean: valetkey users list'],
  [['call', '-H', 'A: b', '--data', 'D'], 'needs CONNECTION METHOD PATH'],
  [['--data', 'D', 'users', 'list'], 'valetkey users --help'],
  [['--data', 'D'], 'The command comes first'],
  [['connect', 'alice', '--data', 'd'], 'needs an INTEGRATION'],
  [['connect', 'alice', '--complete', 'ses_1', '--data', 'd'], 'completion code'],
  [['grants', 'add', 'a', 'con_1', '--permissions', 'x:y:*'], '--until 8h'],
  [['grants', 'add', 'a', 'con_1', '--until', '8h'], '--permissions or --path'],
  [['grants', 'add', 'a', 'con_1', '--until', 'soon', '--permissions', 'x:y:*'], '2031-05-01T12:00:00Z'],
  [['grants', 'add', 'a', 'con_1', '--until', '8h', '--path', '/v1/**'], 'METHODS [HOST]/PATTERN'],
  [['tasks', 'start', 'a', 'alice'], 'a purpose and an end'],
  [['decide', 'con_1', 'GET'], 'METHOD and PATH, or --operation'],
  [['users', 'list'], '--data DIR'],
  [['users', 'list', '--data', 'd', '--url', 'https://v.example'], 'Keep the one that is meant'],
  [['users', 'list', '--url', 'https://v.example'], 'VALETKEY_CLIENT_ID'],
  [['nonsense'], 'valetkey --help'],
])('%j is wrong use: exit code 2, and the fix is said', async (line, fix) => {
  const { code, out, err } = await run(line)
  expect(code).toBe(2)
  expect(err).toContain(fix)
  expect(out).toBe('')
})

test('a URL that would carry a secret in clear is wrong use (row 52)', async () => {
  const { code, err } = await run(['users', 'list', '--url', 'http://v.example'], { VALETKEY_TOKEN: 't' })
  expect(code).toBe(2)
  expect(err).toContain('https')
})

test('wrong use under --json is one JSON object', async () => {
  const { code, out } = await run(['users', 'add', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(out)).toMatchObject({
    ok: false,
    code: 'usage',
    fix: expect.stringContaining('valetkey users add'),
  })
})

test.each(commands.map(command => [command.name, command] as const))(
  '%s has a help with an example that parses',
  async (name, command) => {
    const { code, out } = await run([...name.split(' '), '--help'])
    expect(code).toBe(0)
    expect(out).toContain(command.summary)
    expect(out).toContain(`For example:\n  ${command.example}\n`)
    expect(out).toContain('--json')
    for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`)
    // The example is a line of a shell: settings before it, words in quotes.
    const line = /(?:^|\s)valetkey (.*)$/.exec(command.example)![1]!
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
    expect(parseCommand(commands, words)).toMatchObject({ kind: 'command', command: { name } })
  },
)

test('no two commands have one name, and no option hides another', () => {
  expect(new Set(commands.map(({ name }) => name)).size).toBe(commands.length)
  for (const { options } of commands) expect(Object.keys(options)).not.toContain('json')
})

test('help of everything, of a group and of a command, by every usual way', async () => {
  for (const line of [['--help'], ['-h'], ['help']]) {
    const { code, out } = await run(line)
    expect(code).toBe(0)
    for (const { name } of commands) expect(out).toContain(`valetkey ${name}`)
  }
  const group = await run(['grants', '--help'])
  expect(group.out).toContain('valetkey grants revoke GRANT')
  expect(group.out).not.toContain('valetkey users')
  expect((await run(['grants', '--data', 'D', '--help'])).out).toBe(group.out)
  expect((await run(['help', 'grants', 'add'])).out).toBe((await run(['grants', 'add', '-h'])).out)
  expect((await run(['help', 'nonsense'])).code).toBe(2)
  expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})
