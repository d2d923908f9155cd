import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rawDatabase } from '../raw-database.ts'
import { type ServerProcess, startServerProcess } from '../server-process.ts'

const binary = fileURLToPath(new URL('../../node_modules/.bin/valetkey', import.meta.url))

/** What a command says when it cannot do its work: to people, to programs, and the next step (CONTRACT 2, 9). */
describe('a command on this machine', () => {
  let parent: string
  let data: string
  let rootKey: string
  const run = async (args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const child = spawn(binary, args, {
      cwd: parent,
      env: { PATH: process.env.PATH ?? '', HOME: parent, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', chunk => {
      said.out += chunk
    })
    child.stderr.on('data', chunk => {
      said.err += chunk
    })
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    return { code, ...said }
  }
  const doctor = async (environment: Readonly<Record<string, string>> = {}) => {
    const { code, out } = await run(['doctor', '--data', data, '--json'], environment)
    const { ok, checks } = JSON.parse(out) as {
      ok: boolean
      checks: { id: string; ok: boolean; detail: string; next?: string }[]
    }
    expect([code, ok]).toEqual([1, false])
    return Object.fromEntries(checks.map(row => [row.id, row]))
  }

  beforeAll(async () => {
    parent = mkdtempSync(join(tmpdir(), 'valetkey-start-more-'))
    data = join(parent, 'data')
    rootKey = join(parent, 'root.key')
    expect((await run(['init', '--data', data, '--root-key', rootKey])).code).toBe(0)
  })
  afterAll(() => rmSync(parent, { recursive: true, force: true }))

  it('that fails is one JSON object on stdout with --json, and nothing on stderr', async () => {
    for (const [args, words] of [
      [['init', '--data', data], 'nothing was changed'],
      [['serve', '--data', join(parent, 'none')], 'is not initialised'],
      [['migrate'], 'Nothing to migrate'],
      [['tenants', 'create', 'acme', '--data', data], 'holds one tenant'],
      [['users', 'list', '--data', join(parent, 'none')], 'is not initialised'],
      [['audit', 'verify', '--data', join(parent, 'none')], 'is not initialised'],
    ] as const) {
      const { code, out, err } = await run([...args, '--json'])
      expect([args, code, err, out.trimEnd().split('\n').length]).toEqual([args, 1, '', 1])
      expect(JSON.parse(out)).toMatchObject({ ok: false, code: 'failed', detail: expect.stringContaining(words) })
    }
  })

  it('tells all faults of the settings at once, to programs one by one', async () => {
    const environment = {
      VALETKEY_PORT: 'eighty',
      VALETKEY_EGRESS_ALLOW: '169.254.169.254',
      VALETKEY_TRUSTED_PROXIES: 'nginx',
      VALETKEY_TLS_CERT: '/cert.pem',
      VALETKEY_WORKERS: '4',
      VALETKEY_METRICS_PORT: '9100',
      VALETKEY_LOGS: 'warn',
    }
    const names = Object.keys(environment)
    const forPeople = await run(['serve', '--data', data], environment)
    expect([forPeople.code, forPeople.out]).toEqual([1, ''])
    for (const name of names) expect(forPeople.err).toContain(name)
    const { out } = await run(['serve', '--data', data, '--json'], environment)
    const { ok, code, faults } = JSON.parse(out)
    expect([ok, code, faults.length]).toEqual([false, 'settings', names.length])
  })

  it('says the same when it opens a folder that no server holds', async () => {
    const { code, err } = await run(['users', 'list', '--data', data], { VALETKEY_PROT: '1', VALETKEY_WORKERS: '2' })
    expect([code, err.trimEnd().split('\n').length]).toEqual([1, 2])
    expect(err).toMatch(/VALETKEY_PROT is not a setting\. Did you mean VALETKEY_PORT\? VALETKEY_WORKERS: more than one/)
    const none = await run(['users', 'list', '--data', join(parent, 'none')])
    expect(none.err).toContain(`\n  Next: valetkey init --data ${join(parent, 'none')}\n`)
  })

  it('says which port is in use, and what to do', async () => {
    const other = createServer()
    const port = await new Promise<number>(resolve =>
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port)),
    )
    try {
      const { code, out, err } = await run(['serve', '--data', data, '--port', String(port)])
      expect([code, out]).toEqual([1, ''])
      expect(err).toMatch(new RegExp(`^valetkey: port ${port} is in use .*choose another with --port.*\n$`, 'i'))
    } finally {
      other.close()
    }
  })

  it('doctor looks at the rest when the key is the fault, and says the next step of that fault', async () => {
    const wide = join(parent, 'wide.key')
    copyFileSync(rootKey, wide)
    chmodSync(wide, 0o644)
    const readable = await doctor({ VALETKEY_ROOT_KEY: `file:${wide}`, VALETKEY_EGRESS_ALLOW: '10.0.0.0/8' })
    expect(readable.key).toMatchObject({ ok: false, next: `Run: chmod 600 ${wide}` })
    for (const id of ['settings', 'database', 'clock', 'egress']) expect([id, readable[id]?.ok]).toEqual([id, true])
    expect(readable.egress?.detail).toContain('lists 1 private target')

    const missing = await doctor({ VALETKEY_ROOT_KEY: 'file:/nowhere/root.key' })
    expect(missing.key?.next).toContain('Restore it from your backup')
    expect(missing.database?.ok).toBe(true)

    const elsewhere = join(parent, 'elsewhere')
    const theirs = join(parent, 'theirs.key')
    expect((await run(['init', '--data', elsewhere, '--root-key', theirs])).code).toBe(0)
    const wrong = await doctor({ VALETKEY_ROOT_KEY: `file:${theirs}` })
    expect(wrong.key).toMatchObject({ ok: false, next: 'Point VALETKEY_ROOT_KEY to the right key.' })
    expect(wrong.database?.ok).toBe(true)
    expect((await run(['doctor', '--data', data])).code).toBe(0)
  })

  it('doctor says every fault of the settings, and that a folder is not initialised', async () => {
    const { code, out } = await run(['doctor', '--data', data], { VALETKEY_PORT: 'x', VALETKEY_WORKERS: '2' })
    expect([code, out.match(/FAULT {2}settings/g)?.length]).toEqual([1, 2])
    const empty = await run(['doctor', '--data', join(parent, 'none'), '--json'])
    expect(JSON.parse(empty.out).checks).toContainEqual(
      expect.objectContaining({ id: 'settings', next: `Run: valetkey init --data ${join(parent, 'none')}` }),
    )
  })
})

describe('tenants create, on PostgreSQL', () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startServerProcess({ database: 'postgres' })
  })
  afterAll(() => server?.close())
  const create = (name: string) => server.command('tenants', 'create', name, '--data', server.folder, '--json')

  it('that was interrupted can be run again: nothing of it is found before it is whole', async () => {
    const admin = rawDatabase({ folder: server.folder, databaseUrl: server.urls!.servingUrl })
    const role = new URL(server.urls!.servingUrl).username
    await admin.run(`revoke insert on locator from "${role}"`)
    const broken = await create('Acme Corp')
    expect(broken.code).toBe(1)
    await admin.run(`grant insert on locator to "${role}"`)
    expect((await fetch(`${server.url}/t/acme-corp/healthz`)).status).toBe(404)
    expect(await admin.run(`select key from locator where kind = 'slug'`)).toEqual([])

    // The port was given to the server alone: the base URL is what the running server says of itself.
    const { code, out } = await create('Acme Corp')
    expect(code).toBe(0)
    const made = JSON.parse(out)
    expect(made.base_url).toBe(`${server.url}/t/acme-corp`)
    const { client_id, client_secret } = made.operator
    const answer = await fetch(`${made.base_url}/oauth/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'grant_type=client_credentials',
    })
    expect(answer.status).toBe(200)
    const again = await create('acme corp')
    expect([again.code, JSON.parse(again.out)]).toEqual([
      1,
      { ok: false, code: 'failed', detail: 'There is a tenant "acme-corp" already; nothing was changed.' },
    ])
  })

  it('without a running server takes the base URL from the settings', async () => {
    await server.stop()
    const { out } = await create('later')
    expect(JSON.parse(out).base_url).toBe('http://127.0.0.1:7400/t/later')
  })
})
