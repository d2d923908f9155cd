import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

/** The command as a person types it, in a child process of its own. */
const command = fileURLToPath(new URL('../../packages/server/bin/valetkey', import.meta.url))
const browserModule = new URL('../../packages/server/src/process/demo/browser.ts', import.meta.url).href
const peopleModule = new URL('../../packages/server/src/process/demo/people.ts', import.meta.url).href

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  stdout(): string
  stderr(): string
  /** Resolves when a line of either stream matches. */
  saying(pattern: RegExp): Promise<RegExpExecArray>
}

let home: string
let running: ChildProcess | undefined

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'valetkey-demo-test-'))
  mkdirSync(join(home, 'tmp'))
})
afterEach(() => {
  running?.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(command, ['demo', ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: home, TMPDIR: join(home, 'tmp'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running = child
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  return {
    child,
    ended: new Promise(resolve => child.once('close', resolve)),
    stdout: () => stdout,
    stderr: () => stderr,
    saying: pattern =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(stdout + stderr)
          if (found !== null) resolve(found)
        }
        child.stdout.on('data', look)
        child.stderr.on('data', look)
        child.once('close', () => reject(new Error(`ended without saying ${pattern}:\n${stdout}${stderr}`)))
      }),
  }
}

/** What stands in for the command that opens a person's browser. */
function browser(line: string): { PATH: string } {
  const bin = join(home, 'bin')
  mkdirSync(bin)
  for (const name of ['xdg-open', 'open']) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  return { PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }
}

const leftBehind = () => readdirSync(join(home, 'tmp'))

it('the demo holds every check, says so in one JSON object, and leaves nothing behind (P1, P3, P4)', async () => {
  const { ended, stdout, stderr } = run(['--json'])
  expect(await ended, stderr()).toBe(0)
  const said = JSON.parse(stdout()) as {
    ok: boolean
    digest: { person: string; sources: { source: string; items: { text: string }[] }[] }[]
    checks: { id: string; ok: boolean; detail: string }[]
  }
  expect(stdout().trim().split('\n')).toHaveLength(1)
  expect(said.ok).toBe(true)
  expect(said.checks.map(({ id, ok }) => [id, ok])).toEqual([
    ['whose_data', true],
    ['write_refused', true],
    ['other_person_refused', true],
    ['expiry_crossed', true],
    ['revoked_grant_refused', true],
    ['audit_trail', true],
    ['no_token_leaked', true],
  ])
  for (const { detail } of said.checks) expect(detail).not.toBe('')
  expect(said.digest.map(({ person }) => person)).toEqual(['Ada', 'Ben'])
  for (const { sources } of said.digest) {
    expect(sources.map(({ source }) => source)).toEqual([
      'Slack',
      'Google Drive',
      'Gmail',
      'Google Calendar',
      'Notion',
      'HubSpot',
    ])
    for (const { items } of sources) expect(items.length).toBeGreaterThan(0)
  }
  expect(leftBehind()).toEqual([])
})

it('for people it draws the digest and the audit trail, without colour where there is no terminal', async () => {
  const { ended, stdout, stderr } = run([])
  expect(await ended, stderr()).toBe(0)
  expect(stdout()).toContain("Ada's week")
  expect(stdout()).toMatch(/UTC\s+Who\s+Service\s+Data\s+Action\s+Agent\s+×\s+Outcome/)
  expect(stdout()).toMatch(/Ada\s+Gmail\s+Ada's messages\s+list\s+Scribe\s+1\s+allowed/)
  expect(stdout()).toMatch(/Ada\s+Gmail\s+Ben's connection\s+Scribe\s+1\s+refused: not_found/)
  expect(stdout()).toMatch(/All 7 checks held, in [\d.]+ s\./)
  expect(stdout()).not.toContain('\u001b')
})

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with everything it started', async signal => {
  const { child, ended, saying, stdout } = run(['--json'])
  const [, url] = await saying(/Valetkey runs on a fresh database \((\S+)\)/)
  child.kill(signal)
  expect(await ended).toBe(1)
  expect(leftBehind()).toEqual([])
  await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  const { ok, checks } = JSON.parse(stdout()) as { ok: boolean; checks: { ok: boolean; detail: string }[] }
  expect(ok).toBe(false)
  expect(checks).toHaveLength(7)
  for (const check of checks) expect(check).toMatchObject({ ok: false, detail: 'not reached: stopped, and cleaned up' })
})

it('settings of the person’s own Valetkey do not reach the demo', async () => {
  const { ended, stdout, stderr } = run(['--json'], {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
    VALETKEY_DATA: join(home, 'mine'),
    VALETKEY_ROOT_KEY: 'file:/nowhere',
    VALETKEY_URL: 'https://vault.example.com',
    VALETKEY_EGRESS_ALLOW: '',
  })
  expect(await ended, stderr()).toBe(0)
  expect(JSON.parse(stdout()).ok).toBe(true)
  expect(readdirSync(home)).toEqual(['tmp'])
})

it('with --open each person consents in a browser, and the same checks hold', async () => {
  // A browser that behaves as a person would: the flows come one after the other, first Ada's, then Ben's.
  const script = join(home, 'person.mts')
  writeFileSync(
    script,
    `import { readdirSync, writeFileSync } from 'node:fs'
import { consentAtEmulator, walkConnect } from ${JSON.stringify(browserModule)}
import { people } from ${JSON.stringify(peopleModule)}
const turn = readdirSync(import.meta.dirname).filter(name => name.startsWith('turn-')).length
writeFileSync(import.meta.dirname + '/turn-' + turn, '')
await walkConnect(process.argv[2], (url, browser) => consentAtEmulator(url, browser, people[turn % people.length]))
`,
  )
  const { ended, stdout, stderr } = run(['--open', '--json'], browser(`exec '${process.execPath}' '${script}' "$1"`))
  expect(await ended, stderr()).toBe(0)
  expect(stderr()).toMatch(/→ Ada connects Slack \(choose ada@example\.com\): http:\/\/127\.0\.0\.1:\d+\/connect\//)
  expect(JSON.parse(stdout()).ok).toBe(true)
  expect(readdirSync(home).filter(name => name.startsWith('turn-'))).toHaveLength(12)
})

it('half a real client is refused before anything starts', async () => {
  const { ended, stdout, stderr } = run(['--json'], { VALETKEY_DEMO_SLACK_CLIENT_ID: 'only-an-id' })
  expect(await ended).toBe(1)
  expect(JSON.parse(stdout())).toMatchObject({
    ok: false,
    detail: expect.stringContaining('VALETKEY_DEMO_SLACK_CLIENT_SECRET'),
  })
  expect(stderr()).toBe('')
  expect(leftBehind()).toEqual([])
})

it('a real client is asked for at the real service: its callback is told, and the connect link is given', async () => {
  const { child, ended, saying, stderr } = run(['--json'], {
    ...browser('exit 0'),
    VALETKEY_DEMO_SLACK_CLIENT_ID: 'real-id',
    VALETKEY_DEMO_SLACK_CLIENT_SECRET: 'real-secret',
  })
  const [, link] = await saying(/Ada connects Slack \(with an account of your own\): (\S+)\s/)
  expect(stderr()).toMatch(/Slack: http:\/\/127\.0\.0\.1:\d+\/callback\/int_\w{26}/)
  const page = await fetch(link!)
  expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https://slack.com")
  child.kill('SIGINT')
  expect(await ended).toBe(1)
  expect(leftBehind()).toEqual([])
})
