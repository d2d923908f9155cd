import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serverOfRun } from '../databases.ts'
import { createDatabase } from '../postgres-server.ts'
import { rawDatabase } from '../raw-database.ts'
import { startServerProcess, withPeople } from '../server-process.ts'

const binary = fileURLToPath(new URL('../../node_modules/.bin/valetkey', import.meta.url))

interface Done {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly url: string
  readonly pid: number
  readonly firstLine: string
  readonly child: ChildProcess
  readonly stderr: () => string
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Done>
}

/** The command as an operator types it: processes of their own, in a folder of their own. */
class Machine {
  readonly parent = mkdtempSync(join(tmpdir(), 'valetkey-start-'))
  readonly data = join(this.parent, 'data')
  environment: Record<string, string> = {
    // Without node_modules/.bin: what a person has who ran `npm ci` and nothing else.
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: this.parent,
    VALETKEY_EGRESS_ALLOW: '127.0.0.0/8',
  }
  readonly #children = new Set<ChildProcess>()

  spawn(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const child = spawn(binary, args, {
      cwd: this.parent,
      env: { ...this.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => {
      stdout += chunk
    })
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    const done = new Promise<Done>(resolve =>
      child.once('close', code => {
        this.#children.delete(child)
        resolve({ code, stdout, stderr })
      }),
    )
    return { child, done, stderr: () => stderr }
  }

  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Done> {
    return this.spawn(args, environment).done
  }

  async init(...more: readonly string[]) {
    const done = await this.run(['init', '--data', this.data, '--json', ...more])
    if (done.code !== 0) throw new Error(done.stderr)
    return JSON.parse(done.stdout) as {
      readonly root_key: string
      readonly tenant: string
      readonly operator: { readonly client_id: string; readonly client_secret: string }
      readonly owner_code: string
    }
  }

  async serve(
    options: {
      readonly data?: string
      readonly more?: readonly string[]
      readonly environment?: Readonly<Record<string, string>>
    } = {},
  ): Promise<Running> {
    const { child, done, stderr } = this.spawn(
      ['serve', '--data', options.data ?? this.data, '--port', '0', ...(options.more ?? [])],
      options.environment,
    )
    const firstLine = await Promise.race([
      new Promise<string>(resolve => createInterface(child.stdout!).once('line', resolve)),
      done.then(({ code, stderr }) => {
        throw new Error(`serve ended with ${code}: ${stderr}`)
      }),
    ])
    const url = /http:\/\/[^\s"]+/.exec(firstLine)![0]
    return {
      url,
      pid: child.pid!,
      firstLine,
      child,
      stderr,
      end(signal) {
        child.kill(signal)
        return done
      },
    }
  }

  async clean(): Promise<void> {
    for (const child of this.#children) {
      const gone = new Promise(resolve => child.once('close', resolve))
      child.kill('SIGKILL')
      await gone
    }
    rmSync(this.parent, { recursive: true, force: true })
  }
}

async function tokenOf(url: string, operator: { client_id: string; client_secret: string }): Promise<string> {
  const answer = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${operator.client_id}:${operator.client_secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { access_token: string }).access_token
}

async function call(url: string, token: string, method: string, path: string, body?: unknown) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects; a wrong shape fails the test.
  return { status: answer.status, body: (await answer.json()) as any }
}

/** Every file below a folder with its mode and what is in it. */
function snapshot(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map(name => [name, statSync(join(folder, name))] as const)
      .filter(([, stat]) => stat.isFile())
      .map(([name, stat]) => [
        name,
        `${(stat.mode & 0o777).toString(8)} ${createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex')}`,
      ]),
  )
}

/** A refused command says why in one line, without a stack. */
function expectOneLine(done: Done, words: RegExp): void {
  const lines = done.stderr.trimEnd().split('\n')
  expect([done.code, lines.length, done.stderr]).toEqual([1, 1, done.stderr])
  expect(done.stderr).toMatch(/^valetkey: /)
  expect(done.stderr).toMatch(words)
  expect(done.stdout).toBe('')
}

/** From an empty machine to a running server, and what it says when something is wrong (CONTRACT 2, P10). */
describe('on an empty machine', () => {
  let machine: Machine
  beforeEach(() => {
    machine = new Machine()
  })
  afterEach(() => machine.clean())

  it('init makes a private folder, a key outside it that only its owner reads, and says everything once', async () => {
    const made = await machine.init()
    expect(statSync(machine.data).mode & 0o777).toBe(0o700)
    const key = made.root_key.replace(/^file:/, '')
    expect(made.root_key).toBe(`file:${join(machine.parent, '.config', 'valetkey', `${made.tenant}.key`)}`)
    expect(statSync(key).mode & 0o777).toBe(0o600)
    for (const path of Object.keys(snapshot(machine.data)))
      expect([path, statSync(join(machine.data, path)).mode & 0o077]).toEqual([path, 0])
    expect(existsSync(join(machine.data, 'valetkey.db'))).toBe(true)
    const keyText = readFileSync(key)
    for (const name of Object.keys(snapshot(machine.data))) {
      const bytes = readFileSync(join(machine.data, name))
      for (const secret of [keyText.toString().trim(), made.operator.client_secret, made.owner_code])
        expect([name, bytes.includes(secret)]).toEqual([name, false])
    }
    expect(made.operator.client_secret.length).toBeGreaterThanOrEqual(43)
  })

  it('a second init changes nothing and exits 1', async () => {
    await machine.init()
    const before = snapshot(machine.parent)
    const again = await machine.run(['init', '--data', machine.data])
    expectOneLine(again, /initialised before; nothing was changed/)
    expect(snapshot(machine.parent)).toEqual(before)
  })

  it('init refuses a root key inside the folder, an existing key file and a folder with something in it', async () => {
    expectOneLine(
      await machine.run(['init', '--data', machine.data, '--root-key', join(machine.data, 'root.key')]),
      /inside the data folder/,
    )
    expect(existsSync(machine.data)).toBe(false)
    const key = join(machine.parent, 'precious.key')
    writeFileSync(key, 'precious', { mode: 0o600 })
    const refused = await machine.run(['init', '--data', machine.data, '--root-key', key])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/never overwritten/)
    expect(readFileSync(key, 'utf8')).toBe('precious')
    expect(existsSync(machine.data)).toBe(false)
    mkdirSync(machine.data)
    writeFileSync(join(machine.data, 'photo.jpg'), 'x')
    expectOneLine(await machine.run(['init', '--data', machine.data]), /not empty/)
    expect(readdirSync(machine.data)).toEqual(['photo.jpg'])
    expect(readdirSync(machine.parent).sort()).toEqual(['data', 'precious.key'])
  })

  it('serve says in one line what is missing: no init, no key, another key, a key inside the folder', async () => {
    expectOneLine(await machine.run(['serve', '--data', machine.data, '--port', '0']), /not initialised/)
    const made = await machine.init()
    const serve = (environment: Record<string, string>) =>
      machine.run(['serve', '--data', machine.data, '--port', '0'], environment)
    expect((await serve({ VALETKEY_ROOT_KEY: 'file:/nowhere/root.key' })).code).toBe(1)
    const other = new Machine()
    try {
      const theirs = await other.init()
      const wrong = await serve({ VALETKEY_ROOT_KEY: theirs.root_key })
      expectOneLine(wrong, /key/i)
      expect(wrong.stderr).not.toMatch(/ at .*\.ts:\d/)
    } finally {
      await other.clean()
    }
    const inside = join(machine.data, 'root.key')
    writeFileSync(inside, readFileSync(made.root_key.replace(/^file:/, '')), { mode: 0o600 })
    expectOneLine(await serve({ VALETKEY_ROOT_KEY: `file:${inside}` }), /inside the data folder/)
    rmSync(inside)
    const readable = join(machine.parent, 'readable.key')
    writeFileSync(readable, readFileSync(made.root_key.replace(/^file:/, '')))
    chmodSync(readable, 0o644)
    const open = await serve({ VALETKEY_ROOT_KEY: `file:${readable}` })
    expect([open.code, /chmod|0600|600|readable/i.test(open.stderr)]).toEqual([1, true])
  })

  it('serve does not start with a debugger open', async () => {
    await machine.init()
    const done = await machine.run(['serve', '--data', machine.data, '--port', '0'], {
      NODE_OPTIONS: '--inspect=127.0.0.1:0',
    })
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('does not start with a debugger open')
    expect(done.stdout).not.toContain('ready')
  })

  it('serve reports every fault of the settings at once', async () => {
    await machine.init()
    const done = await machine.run(['serve', '--data', machine.data], {
      VALETKEY_PORT: 'eighty',
      VALETKEY_URL: 'http://vault.example',
      VALETKEY_LOG: 'loud',
    })
    expect(done.code).toBe(1)
    for (const name of ['VALETKEY_PORT', 'VALETKEY_URL', 'VALETKEY_LOG']) expect(done.stderr).toContain(name)
    const wide = await machine.run(['serve', '--data', machine.data, '--port', '0'], { VALETKEY_HOST: '0.0.0.0' })
    expect([wide.code, /VALETKEY_URL/.test(wide.stderr)]).toEqual([1, true])
    const metadata = await machine.run(['serve', '--data', machine.data, '--port', '0'], {
      VALETKEY_EGRESS_ALLOW: '169.254.169.254,10.0.0.0/8',
    })
    expect([metadata.code, /169\.254/.test(metadata.stderr)]).toEqual([1, true])
  })

  it('serve says ready on its first line, logs JSON on stderr, and ends with 0 on SIGTERM', async () => {
    const made = await machine.init()
    const server = await machine.serve()
    expect(server.firstLine).toBe(`valetkey ready ${server.url} pid ${server.pid}`)
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const token = await tokenOf(server.url, made.operator)
    expect((await call(server.url, token, 'POST', '/v1/users', { external_id: 'alice' })).status).toBe(201)
    expect(statSync(join(machine.data, 'valetkey.sock')).mode & 0o777).toBe(0o600)
    const ended = await server.end('SIGTERM')
    expect(ended.code).toBe(0)
    expect(ended.stdout.trim().split('\n')).toHaveLength(1)
    for (const line of ended.stderr.trim().split('\n')) expect(typeof JSON.parse(line)).toBe('object')
    expect(ended.stderr).not.toContain(made.operator.client_secret)
    expect(ended.stderr).not.toContain(token)
    expect(existsSync(join(machine.data, 'valetkey.sock'))).toBe(false)

    const asJson = await machine.serve({ more: ['--json'] })
    expect(JSON.parse(asJson.firstLine)).toEqual({ ready: true, url: asJson.url, pid: asJson.pid })
    expect((await asJson.end('SIGTERM')).code).toBe(0)
  })

  it('a second opener is refused in one line, and the first goes on (CONTRACT 2)', async () => {
    const made = await machine.init()
    const server = await machine.serve()
    expectOneLine(await machine.run(['serve', '--data', machine.data, '--port', '0']), /process|another|already/i)
    const token = await tokenOf(server.url, made.operator)
    expect((await call(server.url, token, 'POST', '/v1/users', { external_id: 'still-here' })).status).toBe(201)
  })

  it('after kill -9 it starts again without repair, and what was acknowledged is there (P10)', async () => {
    const made = await machine.init()
    const known: string[] = []
    for (let round = 0; round < 2; round++) {
      const server = await machine.serve()
      const token = await tokenOf(server.url, made.operator)
      await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const name = `user-${round}-${i}`
          const answer = await call(server.url, token, 'POST', '/v1/users', { external_id: name })
          if (answer.status === 201) known.push(name)
        }),
      )
      await server.end('SIGKILL')
    }
    expect(known).toHaveLength(20)
    const server = await machine.serve()
    const token = await tokenOf(server.url, made.operator)
    for (const name of known) {
      const found = await call(server.url, token, 'GET', `/v1/users?external_id=${name}`)
      expect([name, found.body.data.length]).toEqual([name, 1])
    }
    expect((await call(server.url, token, 'GET', '/v1/audit/verify')).body.ok).toBe(true)
  })

  it('doctor exits 0 when all is well and 1 with the next step when not, beside a server and without one', async () => {
    const made = await machine.init()
    const doctor = () => machine.run(['doctor', '--data', machine.data, '--json'])
    const healthy = await doctor()
    expect([healthy.code, JSON.parse(healthy.stdout).ok]).toEqual([0, true])
    const server = await machine.serve()
    expect((await doctor()).code).toBe(0)
    const token = await tokenOf(server.url, made.operator)
    await call(server.url, token, 'POST', '/v1/integrations', {
      provider: 'generic-oidc',
      client_id: 'x',
      client_secret: 'y',
      overrides: { issuer: 'http://10.11.12.13:8080' },
    })
    for (const when of ['running', 'stopped']) {
      const faulty = await doctor()
      const { ok, checks } = JSON.parse(faulty.stdout)
      expect([when, faulty.code, ok]).toEqual([when, 1, false])
      const fault = checks.find((row: { ok: boolean }) => !row.ok)
      expect(fault.next).toContain('VALETKEY_EGRESS_ALLOW=10.11.12.13:8080')
      if (when === 'running') await server.end('SIGTERM')
    }
    const text = await machine.run(['doctor', '--data', machine.data])
    expect([text.code, text.stdout.includes('FAULT'), text.stdout.includes('→')]).toEqual([1, true, true])
  })

  it('audit verify exits 0 while the log holds and 1 with the event when somebody altered it (P8)', async () => {
    const made = await machine.init()
    const verify = () => machine.run(['audit', 'verify', '--data', machine.data, '--json'])
    const good = await verify()
    expect([good.code, JSON.parse(good.stdout)]).toEqual([0, expect.objectContaining({ ok: true })])
    const server = await machine.serve()
    const token = await tokenOf(server.url, made.operator)
    await call(server.url, token, 'POST', '/v1/users', { external_id: 'alice' })
    const beside = await verify()
    expect([beside.code, JSON.parse(beside.stdout).events > JSON.parse(good.stdout).events]).toEqual([0, true])
    const raw = rawDatabase({ folder: machine.data })
    const [row] = await raw.run(`select id from audit_events where type = 'user.created'`)
    await raw.run('update audit_events set outcome = ? where id = ?', ['denied', row!.id as string])
    for (const when of ['running', 'stopped']) {
      const bad = await verify()
      const verdict = JSON.parse(bad.stdout)
      expect([when, bad.code, verdict.ok, verdict.event]).toEqual([when, 1, false, row!.id])
      expect(typeof verdict.reason).toBe('string')
      if (when === 'running') await server.end('SIGTERM')
    }
  })

  it('works with whatever Node the system has: the pinned one runs it', async () => {
    const old = join(machine.parent, 'old-node')
    mkdirSync(old)
    writeFileSync(join(old, 'node'), '#!/bin/sh\necho "the system\'s node was used" >&2\nexit 99\n', { mode: 0o755 })
    machine.environment = { ...machine.environment, PATH: `${old}:/usr/bin:/bin` }
    await machine.init()
    const server = await machine.serve()
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    expect((await server.end('SIGTERM')).stderr).not.toContain('system')
  })

  it('wrong use exits 2, and every command has help', async () => {
    for (const args of [['nonsense'], ['serve', '--nonsense'], ['init', '--port']])
      expect([args, (await machine.run(args)).code]).toEqual([args, 2])
    const help = await machine.run(['serve', '--help'])
    expect([help.code, help.stdout.includes('valetkey serve')]).toEqual([0, true])
  })
})

describe('on SIGTERM', () => {
  it('a call in flight is finished, a new one is not taken, and the exit code is 0 (CONTRACT 2)', async () => {
    const server = await startServerProcess({ database: 'sqlite' })
    try {
      const { provider, people } = await withPeople(server, ['alice'])
      const { connection, token } = people[0]!
      const hold = provider.hold('api', 'before')
      const call = server.call('GET', `/proxy/${connection}/api/items`, undefined, { token })
      await hold.arrived
      const stopped = server.stop()
      // Refused as soon as nobody listens any more; until then a new call would be in flight as well.
      await expect
        .poll(
          () =>
            fetch(`${server.url}/healthz`).then(
              () => 'taken',
              () => 'refused',
            ),
          { timeout: 5_000, interval: 20 },
        )
        .toBe('refused')
      hold.release()
      const answer = await call
      expect(answer.status).toBe(200)
      expect(answer.body).toBeDefined()
      expect(await stopped).toBe(0)
      await server.start()
      const events = await server.asOperator('GET', `/v1/audit/events?connection=${connection}&type=access.completed`)
      expect(events.body.data).toHaveLength(1)
    } finally {
      await server.close()
    }
  })
})

/** The same on PostgreSQL, where tenants are many and nodes as well (CONTRACT 2). */
describe('on PostgreSQL', () => {
  let machine: Machine
  let database: Awaited<ReturnType<typeof createDatabase>>
  beforeEach(async () => {
    machine = new Machine()
    database = await createDatabase(serverOfRun())
    machine.environment = { ...machine.environment, DATABASE_URL: database.servingUrl }
  })
  afterEach(async () => {
    await machine.clean()
    await database.drop()
  })
  const migrate = () => machine.run(['migrate', '--json'], { VALETKEY_DATABASE_OWNER_URL: database.ownerUrl })

  it('init on a database that is not migrated exits 1, says so, and leaves nothing behind', async () => {
    const done = await machine.run(['init', '--data', machine.data])
    expectOneLine(done, /migrate/)
    expect(existsSync(machine.data)).toBe(false)
    expect(Object.keys(snapshot(machine.parent))).toEqual([])
  })

  it('migrate, init, serve, tenants create: the second tenant is known within a second; a second node joins', async () => {
    const migrated = await migrate()
    expect([migrated.code, JSON.parse(migrated.stdout).to > 0]).toEqual([0, true])
    expect((await migrate()).code).toBe(0)
    const made = await machine.init()
    expect(existsSync(join(machine.data, 'valetkey.db'))).toBe(false)
    const server = await machine.serve()
    const token = await tokenOf(server.url, made.operator)
    expect((await call(server.url, token, 'POST', '/v1/users', { external_id: 'alice' })).status).toBe(201)

    const created = await machine.run(['tenants', 'create', 'branch', '--data', machine.data, '--json'], {
      VALETKEY_URL: server.url,
    })
    expect([created.code, created.stderr]).toEqual([0, ''])
    const tenant = JSON.parse(created.stdout)
    expect(tenant.base_url).toBe(`${server.url}/t/branch`)
    await expect
      .poll(
        () =>
          tokenOf(tenant.base_url, tenant.operator).then(
            () => true,
            () => false,
          ),
        { timeout: 1_000, interval: 50 },
      )
      .toBe(true)

    const second = join(machine.parent, 'second-node')
    expectOneLine(await machine.run(['serve', '--data', second, '--port', '0']), /VALETKEY_ROOT_KEY/)
    mkdirSync(second, { recursive: true })
    const node = await machine.serve({ data: second, environment: { VALETKEY_ROOT_KEY: made.root_key } })
    const there = await tokenOf(node.url, made.operator)
    expect((await call(node.url, there, 'GET', '/v1/users?external_id=alice')).body.data).toHaveLength(1)
    expect((await call(node.url, there, 'POST', '/v1/users', { external_id: 'bob' })).status).toBe(201)
    expect((await call(server.url, token, 'GET', '/v1/users?external_id=bob')).body.data).toHaveLength(1)
    expect((await call(server.url, token, 'GET', '/v1/audit/verify')).body.ok).toBe(true)
    expectOneLine(await machine.run(['init', '--data', join(machine.parent, 'third')]), /first tenant already/)
    expect((await node.end('SIGTERM')).code).toBe(0)
    expect((await server.end('SIGTERM')).code).toBe(0)
  })

  it('a role that could pass by row security is refused in one line', async () => {
    expect((await migrate()).code).toBe(0)
    const made = await machine.init()
    const done = await machine.run(['serve', '--data', machine.data, '--port', '0'], {
      DATABASE_URL: database.adminUrl,
    })
    expectOneLine(done, /superuser|BYPASSRLS/)
    expect(done.stderr).not.toContain(new URL(database.adminUrl).password || 'no-password-in-this-url')
    expect(made.tenant).toMatch(/^ten_/)
  })

  it('a database that cannot be reached is one line, without its password', async () => {
    expect((await migrate()).code).toBe(0)
    await machine.init()
    const url = new URL(database.servingUrl)
    url.port = '1'
    const done = await machine.run(['serve', '--data', machine.data, '--port', '0'], { DATABASE_URL: url.href })
    expectOneLine(done, /database|PostgreSQL|DATABASE_URL/i)
    expect(done.stderr).not.toContain(url.password)
  })
})
