import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startTestProvider, type TestProvider, type TestProviderOptions } from '@valetkey/test-provider'
import { serverOfRun } from './databases.ts'
import { createDatabase } from './postgres-server.ts'
import { idOf, type Reply, walk } from './rig.ts'

const binary = fileURLToPath(new URL('../node_modules/.bin/valetkey', import.meta.url))

export interface ServerProcessOptions {
  readonly database: 'sqlite' | 'postgres'
  /** More settings by name. */
  readonly environment?: Readonly<Record<string, string>>
}

interface ClientPair {
  readonly id: string
  readonly client_id: string
  readonly client_secret: string
}

interface CommandResult {
  readonly code: number | null
  readonly out: string
}

/** The server as an operator runs it, a process of its own, and the hands of those who use it. */
export interface ServerProcess {
  readonly url: string
  readonly folder: string
  /** The data folder's parent, with the root key: everything that `init` made lies here. */
  readonly parent: string
  readonly pid: number
  readonly tenant: string
  /** PostgreSQL only: the roles of its database. */
  readonly urls?: { readonly adminUrl: string; readonly ownerUrl: string; readonly servingUrl: string }
  /** All that it wrote on stdout and stderr, over all starts. */
  said(): string
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** Starts it again by the same command; resolves when it says that it is ready. */
  start(): Promise<void>
  /** Runs another command with the same settings. */
  command(...args: readonly string[]): Promise<CommandResult>
  call(
    method: string,
    path: string,
    body?: unknown,
    options?: { readonly token?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Reply>
  asOperator(method: string, path: string, body?: unknown): Promise<Reply>
  token(client?: Pick<ClientPair, 'client_id' | 'client_secret'>): Promise<string>
  user(externalId: string): Promise<string>
  agent(name?: string): Promise<ClientPair>
  /** A generic OIDC integration at a strict provider in the process of the test. */
  provider(
    options?: TestProviderOptions,
  ): Promise<{ readonly provider: TestProvider; readonly integration: string; readonly secret: string }>
  /** The whole connect flow. Gives the connection's id. */
  connect(given: {
    readonly user: string
    readonly integration: string
    readonly provider: TestProvider
  }): Promise<string>
  grant(given: Readonly<Record<string, unknown>>): Promise<string>
  task(agent: string, user: string, seconds?: number): Promise<{ readonly id: string; readonly token: string }>
  /** Kills it and removes everything. */
  close(): Promise<void>
}

/** `init` and `serve` on a fresh database, by the command that the README names. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const parent = mkdtempSync(join(tmpdir(), 'valetkey-process-'))
  const folder = join(parent, 'data')
  const closers: (() => Promise<unknown> | unknown)[] = [() => rmSync(parent, { recursive: true, force: true })]
  const environment: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: parent,
    VALETKEY_EGRESS_ALLOW: '127.0.0.0/8',
    ...options.environment,
  }
  let running: { readonly child: ChildProcess; readonly ended: Promise<number | null> } | undefined
  const kill = async () => {
    running?.child.kill('SIGKILL')
    await running?.ended
    running = undefined
  }
  const close = async () => {
    await kill()
    for (const closer of closers) await closer()
  }
  try {
    let urls: ServerProcess['urls']
    if (options.database === 'postgres') {
      const { drop, ...made } = await createDatabase(serverOfRun())
      closers.unshift(drop)
      urls = made
      environment.DATABASE_URL = made.servingUrl
      const owner = { ...environment, VALETKEY_DATABASE_OWNER_URL: made.ownerUrl }
      mustBeDone(await run(['migrate'], owner))
    }
    const made = JSON.parse(mustBeDone(await run(['init', '--data', folder, '--json'], environment)))
    // The same port at every start: callback URLs and issuer hold over a restart, and so do tokens.
    const port = await freePort()
    const said: string[] = []
    const url = `http://127.0.0.1:${port}`
    const tokens = new Map<string, { readonly value: string; readonly until: number }>()
    const server: ServerProcess = {
      url,
      folder,
      parent,
      tenant: made.tenant,
      ...(urls !== undefined && { urls }),
      get pid() {
        if (running?.child.pid === undefined) throw new TypeError('the server is not running')
        return running.child.pid
      },
      said: () => said.join(''),
      kill,
      async stop() {
        running?.child.kill('SIGTERM')
        const code = (await running?.ended) ?? null
        running = undefined
        return code
      },
      async start() {
        running = await serve(folder, port, environment, said)
      },
      command: (...args) => run(args, environment),
      async call(method, path, body, { token, headers } = {}) {
        const isRaw = typeof body === 'string' || body instanceof Uint8Array
        const answer = await fetch(`${url}${path}`, {
          method,
          redirect: 'manual',
          headers: {
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(body !== undefined && !isRaw && { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
        })
        const text = await answer.text()
        const isJson = /json/.test(answer.headers.get('content-type') ?? '')
        const parsed = isJson && text !== '' ? JSON.parse(text) : undefined
        return { status: answer.status, headers: answer.headers, text, body: parsed }
      },
      async token(client = made.operator) {
        const { client_id, client_secret } = client as ClientPair
        const known = tokens.get(client_id)
        if (known !== undefined && known.until > Date.now() + 60_000) return known.value
        const answer = await server.call('POST', '/oauth/token', 'grant_type=client_credentials', {
          headers: {
            authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
        })
        if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`)
        const { access_token, expires_in } = answer.body
        tokens.set(client_id, { value: access_token, until: Date.now() + expires_in * 1000 })
        return access_token
      },
      asOperator: async (method, path, body) => server.call(method, path, body, { token: await server.token() }),
      user: async externalId => idOf(await server.asOperator('POST', '/v1/users', { external_id: externalId })),
      async agent(name = 'Secretary') {
        const answer = await server.asOperator('POST', '/v1/agents', { name })
        idOf(answer)
        return answer.body
      },
      async provider(given = {}) {
        const secret = `${given.canary ?? ''}integration-secret-0123456789abcdef`
        const provider = await startTestProvider({ clients: [], ...given })
        closers.unshift(() => provider.close())
        const integration = idOf(
          await server.asOperator('POST', '/v1/integrations', {
            provider: 'generic-oidc',
            client_id: 'valetkey-at-provider',
            client_secret: secret,
            overrides: { issuer: provider.issuer },
          }),
        )
        const redirectUris = [`${url}/callback/${integration}`]
        provider.addClient({ id: 'valetkey-at-provider', secret, redirectUris })
        return { provider, integration, secret }
      },
      async connect({ user, integration, provider }) {
        const opened = await server.asOperator('POST', '/v1/connect-sessions', {
          user: { external_id: user },
          integration,
          scopes: ['openid', 'email', 'offline_access', 'items:read', 'items:write'],
          return_to: 'http://127.0.0.1:9/done',
        })
        const session = idOf(opened)
        const returned = await walk(opened.body.connect_url, provider, user)
        return idOf(
          await server.asOperator('POST', `/v1/connect-sessions/${session}/complete`, {
            completion_code: returned.searchParams.get('completion_code'),
            user: { external_id: user },
          }),
        )
      },
      grant: async given =>
        idOf(
          await server.asOperator('POST', '/v1/grants', {
            expires_at: new Date(Date.now() + 3_600_000).toISOString(),
            ...given,
          }),
        ),
      async task(agent, user, seconds = 3_600) {
        const answer = await server.asOperator('POST', '/v1/tasks', {
          agent,
          user: { external_id: user },
          purpose: 'a test',
          expires_at: new Date(Date.now() + seconds * 1000).toISOString(),
        })
        return { id: idOf(answer), token: answer.body.access_token }
      },
      close,
    }
    await server.start()
    return server
  } catch (thrown) {
    await close()
    throw thrown
  }
}

/** Two people at one provider, each with a connection that one agent may use on every path, and a task of that agent. */
export async function withPeople(
  server: ServerProcess,
  names: readonly string[],
  options: TestProviderOptions = {},
): Promise<{
  readonly provider: TestProvider
  readonly integration: string
  readonly agent: ClientPair
  readonly people: readonly {
    readonly name: string
    readonly user: string
    readonly connection: string
    readonly grant: string
    readonly task: string
    readonly token: string
  }[]
}> {
  const { provider, integration } = await server.provider(options)
  const agent = await server.agent()
  const people = []
  for (const name of names) {
    const user = await server.user(name)
    const connection = await server.connect({ user: name, integration, provider })
    const paths = [{ methods: ['GET', 'POST', 'PUT', 'DELETE'], pattern: '/**' }]
    const grant = await server.grant({ user: { external_id: name }, agent: agent.id, connection, paths })
    const task = await server.task(agent.id, name)
    people.push({ name, user, connection, grant, task: task.id, token: task.token })
  }
  return { provider, integration, agent, people }
}

/** Everything in a folder, as bytes; folders within it too. */
export function filesUnder(folder: string): { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => ({ path, bytes: readFileSync(path) }))
}

const startsWithinMs = 30_000

async function serve(
  folder: string,
  port: number,
  environment: Readonly<Record<string, string>>,
  said: string[],
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<number | null> }> {
  const child = spawn(binary, ['serve', '--data', folder, '--port', String(port)], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>(resolve => child.once('close', code => resolve(code)))
  child.stderr.on('data', chunk => said.push(String(chunk)))
  child.stdout.on('data', chunk => said.push(String(chunk)))
  const before = said.length
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`The server was not ready in time: ${said.slice(before).join('')}`))
    }, startsWithinMs)
    createInterface(child.stdout).on('line', line => {
      if (!/^valetkey ready \S+ pid \d+$/.test(line)) return
      clearTimeout(limit)
      resolve()
    })
    child.once('error', reject)
    void ended.then(code => {
      clearTimeout(limit)
      reject(new Error(`The server ended with ${code}: ${said.slice(before).join('')}`))
    })
  })
  return { child, ended }
}

function run(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<CommandResult> {
  const child = spawn(binary, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  let complaint = ''
  child.stderr.on('data', chunk => {
    complaint += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, out: code === 0 ? out : out + complaint }))
  })
}

function mustBeDone({ code, out }: CommandResult): string {
  if (code !== 0) throw new Error(`A command ended with ${code}: ${out}`)
  return out
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
