import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestProvider, type TestProvider, type TestProviderOptions } from '@valetkey/test-provider'
import { readConfig } from '../packages/server/src/config.ts'
import type { TenantId } from '../packages/server/src/core/ids.ts'
import type { CliIo } from '../packages/server/src/edges/cli/cli-io.ts'
import { migratePostgres } from '../packages/server/src/engines/store/migrate-postgres.ts'
import { readRootKey } from '../packages/server/src/engines/vault/root-key-file.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createTenant } from '../packages/server/src/process/create-tenant.ts'
import { recallFolder } from '../packages/server/src/process/data-folder.ts'
import { init } from '../packages/server/src/process/init.ts'
import { openSystem, type System, type World } from '../packages/server/src/system.ts'
import { serverVariable } from './global-setup.ts'
import { createDatabase, type PostgresServer } from './postgres-server.ts'

/** Which database a story runs on; every story runs on both. */
export const onBoth = [{ database: 'sqlite' as const }, { database: 'postgres' as const }]

export interface RigOptions {
  readonly database?: 'sqlite' | 'postgres'
  readonly egressAllow?: string
  readonly world?: Partial<World>
  /** More settings by name. */
  readonly environment?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects; a wrong shape fails the test.
  readonly body: any
  readonly text: string
}

export interface CallOptions {
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly base?: string
}

interface ClientPair {
  readonly client_id: string
  readonly client_secret: string
}

/** A real server in this process, on a fresh database, and the hands of those who use it. */
export interface Rig {
  readonly system: System
  readonly url: string
  readonly tenant: TenantId
  readonly operator: ClientPair
  /** Every line that the server logged. */
  readonly logs: string[]
  readonly folder: string
  readonly databaseUrl?: string
  /** Adds to the server's clock. */
  advance(seconds: number): void
  now(): number
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Reply>
  /** A token by client credentials, cached; of the operator unless said. */
  token(client?: ClientPair, base?: string): Promise<string>
  asOperator(method: string, path: string, body?: unknown): Promise<Reply>
  /** Makes the row if need be and gives its id. */
  user(externalId: string): Promise<string>
  app(name?: string, returnTo?: readonly string[]): Promise<ClientPair & { readonly id: string }>
  agent(name?: string): Promise<ClientPair & { readonly id: string }>
  /** A generic OIDC integration at a strict provider. */
  provider(options?: TestProviderOptions): Promise<{ readonly provider: TestProvider; readonly integration: string }>
  /** The whole connect flow as a person in a browser would go through it. Gives the connection's id. */
  connect(given: {
    readonly user: string
    readonly integration: string
    readonly provider: TestProvider
    readonly as?: string
    readonly scopes?: readonly string[]
  }): Promise<string>
  grant(given: Readonly<Record<string, unknown>>): Promise<string>
  task(agent: string, user: string, seconds?: number): Promise<{ readonly id: string; readonly token: string }>
  secondTenant(name: string): Promise<{ readonly tenant: string; readonly base: string; readonly operator: ClientPair }>
  close(): Promise<void>
}

/** The path that the generic integration's agents may use in tests. */
export const everyPath = [{ methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], pattern: '/**' }]

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const parent = mkdtempSync(join(tmpdir(), 'valetkey-rig-'))
  const folder = join(parent, 'data')
  const closers: (() => Promise<unknown> | unknown)[] = [() => rmSync(parent, { recursive: true, force: true })]
  const environment: Record<string, string> = {
    VALETKEY_EGRESS_ALLOW: options.egressAllow ?? '127.0.0.0/8',
    XDG_CONFIG_HOME: join(parent, 'config'),
    ...options.environment,
  }
  if (options.database === 'postgres') {
    const server = JSON.parse(process.env[serverVariable] ?? 'null') as PostgresServer
    const { drop, ...urls } = await createDatabase(server)
    closers.unshift(drop)
    await migratePostgres({ ownerUrl: urls.ownerUrl, servingUrl: urls.servingUrl })
    environment.DATABASE_URL = urls.servingUrl
  }
  const io = quietIo(environment)
  if ((await init({ data: folder, json: true }, io)) !== 0) throw new Error(io.said())
  const made = JSON.parse(io.said()) as { tenant: TenantId; root_key: string; operator: ClientPair }
  const config = readConfig({ data: folder, port: '0' }, environment)
  const logs: string[] = []
  let ahead = 0
  const now = () => Date.now() + ahead
  const remembered = recallFolder(folder)!
  const system = await openSystem(
    { config, rootKey: await readRootKey(remembered.rootKey), nodeId: remembered.nodeId },
    { now, monotonic: () => performance.now() + ahead, log: createLog(line => logs.push(line), now), ...options.world },
  )
  const port = await system.http.listen('127.0.0.1', 0)
  const url = `http://127.0.0.1:${port}`
  system.setUrl(url)
  system.parts.egress.deny('127.0.0.1', port)
  closers.unshift(() => system.close(1_000))

  const tokens = new Map<string, { readonly value: string; readonly until: number }>()
  const rig: Rig = {
    system,
    url,
    tenant: made.tenant,
    operator: made.operator,
    logs,
    folder,
    ...(environment.DATABASE_URL !== undefined && { databaseUrl: environment.DATABASE_URL }),
    advance(seconds) {
      ahead += seconds * 1000
    },
    now,
    async call(method, path, body, { token, headers, base } = {}) {
      const isRaw = typeof body === 'string' || body instanceof Uint8Array
      const answer = await fetch(`${base ?? url}${path}`, {
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
      return {
        status: answer.status,
        headers: answer.headers,
        text,
        body: isJson && text !== '' ? JSON.parse(text) : undefined,
      }
    },
    async token(client = made.operator, base = url) {
      const known = tokens.get(client.client_id)
      if (known !== undefined && known.until > now() + 5_000) return known.value
      const answer = await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
        base,
        headers: {
          authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      })
      if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`)
      tokens.set(client.client_id, { value: answer.body.access_token, until: now() + answer.body.expires_in * 1000 })
      return answer.body.access_token
    },
    async asOperator(method, path, body) {
      return rig.call(method, path, body, { token: await rig.token() })
    },
    async user(externalId) {
      return idOf(await rig.asOperator('POST', '/v1/users', { external_id: externalId }))
    },
    async app(name = 'Office', returnTo = ['http://127.0.0.1:9/done']) {
      const scopes = [
        'users:read',
        'users:write',
        'connections:read',
        'connections:write',
        'grants:read',
        'grants:write',
        'tasks:write',
        'integrations:read',
        'integrations:write',
        'providers:read',
      ]
      const made = await rig.asOperator('POST', '/v1/apps', { name, scopes, return_to_urls: returnTo })
      return { id: idOf(made), client_id: made.body.client_id, client_secret: made.body.client_secret }
    },
    async agent(name = 'Secretary') {
      const made = await rig.asOperator('POST', '/v1/agents', { name })
      return { id: idOf(made), client_id: made.body.client_id, client_secret: made.body.client_secret }
    },
    async provider(given = {}) {
      const client = { id: 'valetkey-at-provider', secret: `${given.canary ?? ''}integration-secret-0123456789abcdef` }
      const provider = await startTestProvider({ now, clients: [], ...given })
      closers.unshift(() => provider.close())
      const made = await rig.asOperator('POST', '/v1/integrations', {
        provider: 'generic-oidc',
        client_id: client.id,
        client_secret: client.secret,
        overrides: { issuer: provider.issuer },
      })
      const integration = idOf(made)
      provider.addClient({ ...client, redirectUris: [`${url}/callback/${integration}`] })
      return { provider, integration }
    },
    async connect({ user, integration, provider, as, scopes }) {
      const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
        user: { external_id: user },
        integration,
        scopes: scopes ?? ['openid', 'email', 'offline_access', 'items:read', 'items:write'],
        return_to: 'http://127.0.0.1:9/done',
      })
      const session = idOf(opened)
      const returned = await walk(opened.body.connect_url, provider, as ?? user)
      const code = returned.searchParams.get('completion_code')
      if (code === null) throw new Error(`the connect flow ended with ${returned.href}`)
      const done = await rig.asOperator('POST', `/v1/connect-sessions/${session}/complete`, {
        completion_code: code,
        user: { external_id: user },
      })
      if (done.status !== 200) throw new Error(`not completed: ${done.status} ${done.text}`)
      return done.body.id
    },
    async grant(given) {
      return idOf(
        await rig.asOperator('POST', '/v1/grants', { expires_at: new Date(now() + 3_600_000).toISOString(), ...given }),
      )
    },
    async task(agent, user, seconds = 3_600) {
      const made = await rig.asOperator('POST', '/v1/tasks', {
        agent,
        user: { external_id: user },
        purpose: 'a test',
        expires_at: new Date(now() + seconds * 1000).toISOString(),
      })
      return { id: idOf(made), token: made.body.access_token }
    },
    async secondTenant(name) {
      const own = quietIo({ ...environment, VALETKEY_URL: url })
      if ((await createTenant({ name, data: folder, json: true }, own)) !== 0) throw new Error(own.said())
      const { tenant, base_url, operator } = JSON.parse(own.said())
      return { tenant, base: base_url, operator }
    },
    async close() {
      for (const close of closers) await close()
    },
  }
  return rig
}

/** The id of what was made; anything but success is shown whole. */
export function idOf(reply: Reply): string {
  if (reply.status !== 201 && reply.status !== 200) throw new Error(`${reply.status} ${reply.text}`)
  return reply.body.id
}

/** A browser with its own cookies, no scripts, and no redirect followed unseen. */
export class Browser {
  readonly cookies = new Map<string, string>()

  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const { origin } = new URL(url)
    const mine = [...this.cookies]
      .filter(([key]) => key.startsWith(`${origin} `))
      .map(([key, value]) => `${key.split(' ')[1]}=${value}`)
    const answer = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: { ...init.headers, ...(mine.length > 0 && { cookie: mine.join('; ') }) },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';')
      const at = pair!.indexOf('=')
      const key = `${origin} ${pair!.slice(0, at)}`
      if (attributes.some(text => text.trim().toLowerCase() === 'max-age=0')) this.cookies.delete(key)
      else this.cookies.set(key, pair!.slice(at + 1))
    }
    return answer
  }

  /** Opens a connect page and presses a button; answers with where it leads. */
  async press(connectUrl: string, button: 'continue' | 'decline'): Promise<Response> {
    const page = await this.request(connectUrl)
    const text = await page.text()
    if (page.status !== 200) return new Response(text, { status: page.status })
    return this.submit(connectUrl, text, button)
  }

  submit(connectUrl: string, pageText: string, button: 'continue' | 'decline'): Promise<Response> {
    const form = new URLSearchParams()
    for (const [, name, value] of pageText.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g))
      form.set(name!, value!)
    form.set(button, '1')
    return this.request(connectUrl, { method: 'POST', body: form, headers: { origin: new URL(connectUrl).origin } })
  }
}

/** Presses continue, consents at the provider, comes back. Gives the URL to which the person is sent at the end. */
export async function walk(
  connectUrl: string,
  provider: TestProvider,
  as: string,
  browser = new Browser(),
): Promise<URL> {
  const left = await browser.press(connectUrl, 'continue')
  if (left.status !== 303) throw new Error(`continue answered ${left.status}: ${await left.text()}`)
  const back = await provider.approve(left.headers.get('location')!, { user: as })
  const ended = await browser.request(back)
  if (ended.status !== 303) throw new Error(`the callback answered ${ended.status}: ${await ended.text()}`)
  return new URL(ended.headers.get('location')!)
}

interface QuietIo extends CliIo {
  said(): string
}

/** Where a command of the command line writes in a test. */
export function quietIo(environment: Readonly<Record<string, string | undefined>>): QuietIo {
  let out = ''
  const stream = {
    write: (chunk: string | Uint8Array) => {
      out += chunk.toString()
    },
  }
  return {
    stdout: stream,
    stderr: stream,
    stdin: (async function* () {})(),
    env: environment,
    now: Date.now,
    wait: async () => undefined,
    signal: new AbortController().signal,
    fetch,
    readFile: async () => new Uint8Array(),
    said: () => out,
  }
}
