import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, type IncomingMessage, request as send } from 'node:http'
import type { AuditEvent } from '@valetkey/contract/events'
import { startTestProvider, type TestProvider, type TestProviderOptions } from '@valetkey/test-provider'
import { type DatabaseKind, databases, type TestDatabase } from '../../../../../../test/databases.ts'
import type { Caller } from '../../../core/caller.ts'
import type { ProviderEntry } from '../../../core/catalogue/provider.ts'
import type { Connection } from '../../../core/connection.ts'
import type { Grant } from '../../../core/grant.ts'
import { type AgentId, type ConnectionId, makeId, type TenantId, type UserId } from '../../../core/ids.ts'
import type { Integration } from '../../../core/integration.ts'
import { createRevocations } from '../../../core/revocations.ts'
import { Secret } from '../../../core/secret.ts'
import { catalogueOf } from '../../../engines/catalogue/load-catalogue.ts'
import { parseAllowList } from '../../../engines/egress/allow-list.ts'
import { openEgress } from '../../../engines/egress/open-egress.ts'
import { createOAuthClient } from '../../../engines/oauth/oauth-client.ts'
import { rootKeyFromBytes } from '../../../engines/vault/root-key.ts'
import { openVault } from '../../../engines/vault/vault.ts'
import { createClient, createOperator } from '../../../flows/agents/create-client.ts'
import { openSigners } from '../../../flows/agents/open-signers.ts'
import { startTask } from '../../../flows/agents/start-task.ts'
import { sealTokens } from '../../../flows/credentials/store-tokens.ts'
import { type GrantInput, makeGrant } from '../../../flows/grants/make-grant.ts'
import { addIntegration } from '../../../flows/integrations/save-integration.ts'
import { saveUser } from '../../../flows/users/save-user.ts'
import { createLog } from '../../../log.ts'
import type { Parts } from '../../../parts.ts'
import { decisionsRoutes } from '../api/decisions-routes.ts'
import { registerApi } from '../api/register-api.ts'
import { createAuthenticate } from '../authenticate.ts'
import { createHttpServer } from '../http-server.ts'
import { createProxyHandler } from './proxy-handler.ts'

/** A provider entry over the generic surface of the test provider. */
export const acme: ProviderEntry = {
  schemaVersion: 1,
  id: 'acme',
  name: 'Acme',
  category: 'test',
  status: 'confirmed',
  confidence: 'high',
  docsUrl: 'https://acme.example',
  registration: { url: 'https://acme.example', steps: [], traps: [] },
  oauth: {
    authorizationEndpoint: 'https://api.acme.example/authorize',
    tokenEndpoint: 'https://api.acme.example/token',
    revocationEndpoint: 'https://api.acme.example/revoke',
    userinfoEndpoint: 'https://api.acme.example/userinfo',
    pkce: 'S256',
    clientAuthentication: 'client_secret_basic',
    tokenRequestFormat: 'form',
    scopeSeparator: ' ',
    refresh: 'rotating',
    authorizationModel: 'per_token',
    revocation: { method: 'rfc7009', tokens: ['refresh_token', 'access_token'] },
    account: { source: 'endpoint', url: 'https://api.acme.example/api/me', id: ['/id'], label: ['/name'] },
  },
  quirks: [],
  api: {
    origins: [{ origin: 'https://api.acme.example', pathPrefixes: ['/'] }],
    requestHeaders: ['acme-version'],
    credentialParameters: ['access_token', 'token'],
    batch: ['/batch'],
  },
  resourceTypes: { items: { words: 'items' } },
  scopes: [],
  operations: [
    operation('acme.items.list', 'list', ['GET'], '/api/items'),
    operation('acme.items.get', 'fetch', ['GET'], '/api/items/{id}'),
    operation('acme.items.create', 'write', ['POST'], '/api/items'),
    operation('acme.bytes', 'fetch', ['GET'], '/api/bytes/{n}'),
    operation('acme.slow', 'fetch', ['GET'], '/api/slow'),
    operation('acme.status', 'fetch', ['GET'], '/api/status/{code}'),
    operation('acme.reflect', 'fetch', ['GET'], '/api/reflect'),
    operation('acme.gzip', 'fetch', ['GET'], '/api/gzip'),
    operation('acme.redirect', 'fetch', ['GET'], '/api/redirect'),
    operation('acme.headers', 'fetch', ['GET'], '/api/headers'),
  ],
}

function operation(
  id: string,
  action: 'list' | 'fetch' | 'write',
  methods: readonly string[],
  pattern: string,
): ProviderEntry['operations'][number] {
  const resourceType = 'items'
  return { id, description: id, resourceType, action, routes: [{ methods, pattern }], scopes: {}, verified: true }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly json: any
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Buffer
  readonly token?: string
}

/** A tenant with its proxy on a real socket, store and vault, before a strict provider. */
export interface Rig {
  readonly parts: Parts
  readonly tenant: TenantId
  readonly url: string
  readonly port: number
  readonly database: TestDatabase
  readonly provider: TestProvider
  readonly integration: Integration
  readonly operator: Caller
  readonly agent: AgentId
  readonly logged: readonly string[]
  /** Moves every clock, the provider's too. */
  skip(ms: number): void
  user(name: string): Promise<UserId>
  connect(user: string, tokens?: { readonly expiresInMs?: number }): Promise<Connection>
  grant(connection: Connection, more?: Partial<GrantInput>): Promise<Grant>
  /** A task of the agent for that user: the token, and the task's id. */
  task(user: string): Promise<{ readonly id: string; readonly token: string }>
  ask(path: string, asked?: Asked): Promise<Answer>
  /** The same, as soon as the head is there. */
  begin(path: string, asked?: Asked): Promise<IncomingMessage>
  events(type?: string): Promise<readonly AuditEvent[]>
  /** Ends the server as SIGTERM does, and leaves store and provider. */
  stop(graceMs: number): Promise<void>
  close(): Promise<void>
}

export async function openRig(
  options: {
    readonly open?: DatabaseKind['open']
    readonly provider?: TestProviderOptions
    readonly entry?: ProviderEntry
    /** Given the provider's URL. */
    readonly overrides?: (url: string) => Integration['overrides']
    readonly store?: (store: Parts['store']) => Parts['store']
  } = {},
): Promise<Rig> {
  const database = await (options.open ?? databases()[0]!.open)()
  const store = options.store?.(database.store) ?? database.store
  let skipped = 0
  const now = () => Date.now() + skipped
  const random = (size: number) => randomBytes(size)
  const entry = options.entry ?? acme
  const provider = await startTestProvider({ canary: 'canary-', accessTokenSeconds: 3600, now, ...options.provider })
  const logged: string[] = []
  const vault = await openVault({
    rootKey: rootKeyFromBytes(randomBytes(32)),
    loadTenantKeys: id => store.asTenant(id, rows => rows.keys.tenantKeys()),
    saveTenantKey: (id, key) => store.change(id, rows => rows.keys.insertTenantKey(key)),
    now,
  })
  const tenant = makeId('ten', now(), random(10))
  await store.createTenant({ id: tenant, name: 'Example', createdAt: now() })
  await vault.createTenantKey(tenant)
  const config = { url: '', trustedProxies: [] as string[] }
  const egress = openEgress({ allow: parseAllowList('127.0.0.1').rules, tenantOf: () => ({ isFirst: true }) })
  const parts = {
    config,
    now,
    monotonic: () => performance.now() + skipped,
    random,
    store,
    vault,
    egress,
    oauth: createOAuthClient({ random, clock: now }),
    catalogue: catalogueOf([entry]),
    revocations: createRevocations(),
    signers: openSigners({ store, vault, now }),
    log: createLog(line => logged.push(line), now, 'warn'),
    nodeId: 'one',
  } as unknown as Parts
  const authenticate = createAuthenticate(parts)
  const proxy = createProxyHandler(parts, authenticate)
  const server = await createHttpServer(parts, {
    proxy: proxy.handle,
    register: app =>
      registerApi(app, parts, decisionsRoutes, (arrival, authorization) =>
        authenticate({ id: arrival.tenant }, { authorization, requestId: arrival.requestId }),
      ),
  })
  const port = await server.listen('127.0.0.1', 0)
  const url = `http://127.0.0.1:${port}`
  config.url = url
  const made = await createOperator(parts, tenant, 'the operator')
  const operator: Caller = {
    kind: 'operator',
    operator: made.client.id as never,
    tenant,
    scopes: new Set(made.client.scopes),
    tokenId: 'test',
    expiresAt: now() + 3_600_000,
    requestId: 'req_test',
  }
  const integration = await addIntegration(parts, operator, entry.id, {
    clientId: 'test-client',
    clientSecret: new Secret('test-secret'),
    overrides: options.overrides?.(provider.url) ?? { origins: { [entry.api.origins[0]!.origin]: provider.url } },
  })
  const { client } = await createClient(parts, operator, { kind: 'agent', name: 'digest' } as never, () => undefined)
  const agent = client.id as AgentId
  const user = async (externalId: string) => (await saveUser(parts, operator, { externalId })).user.id
  const begin = (path: string, asked: Asked = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { ...asked.headers, ...(asked.token !== undefined && { authorization: `Bearer ${asked.token}` }) }
      const request = send({ host: '127.0.0.1', port, path, method: asked.method ?? 'GET', headers, agent: false })
      request.on('response', resolve).on('error', reject)
      request.end(asked.body)
    })
  let stopped: Promise<void> | undefined
  const stop = (graceMs: number) => {
    stopped ??= server.close(graceMs).then(() => proxy.close())
    return stopped
  }
  return {
    parts,
    tenant,
    url,
    port,
    database,
    provider,
    integration,
    operator,
    agent,
    logged,
    skip(ms) {
      skipped += ms
    },
    user,
    async connect(name, { expiresInMs } = {}) {
      const owner = await user(name)
      const id: ConnectionId = makeId('con', now(), random(10))
      const tokens = provider.issueTokens(name, 'test-client', ['items:read', 'items:write'])
      const connection: Connection = {
        id,
        tenant,
        user: owner,
        integration: integration.id,
        provider: entry.id,
        status: 'active',
        accountId: name,
        accountLabel: name,
        scopes: tokens.scopes,
        requestedScopes: tokens.scopes,
        kind: 'oauth2',
        createdAt: now(),
        updatedAt: now(),
      }
      const expiresAt = expiresInMs === undefined ? tokens.expiresAt : now() + expiresInMs
      const credential = await sealTokens(
        parts,
        connection,
        integration,
        {
          accessToken: new Secret(tokens.accessToken),
          ...(tokens.refreshToken !== undefined && { refreshToken: new Secret(tokens.refreshToken) }),
          ...(expiresAt !== undefined && { expiresAt }),
        },
        1,
        now(),
      )
      await store.change(tenant, async rows => {
        await rows.connections.insert(connection)
        await rows.credentials.insert(credential)
      })
      return connection
    },
    grant: (connection, more = {}) =>
      makeGrant(parts, operator, {
        agent,
        connection: connection.id,
        permissions: [`${entry.id}:items:*`],
        paths: [],
        expiresAt: now() + 3_600_000,
        unattended: false,
        ...more,
      }),
    async task(name) {
      const { task, token } = await startTask(parts, operator, {
        agent,
        user: { id: await user(name) },
        purpose: 'test',
        expiresAt: now() + 3_600_000,
      })
      return { id: task.id, token: token.accessToken.reveal() }
    },
    begin,
    async ask(path, asked) {
      const response = await begin(path, asked)
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks)
      const isJson = /json/.test(response.headers['content-type'] ?? '')
      return {
        status: response.statusCode!,
        headers: response.headers,
        trailers: response.trailers,
        body,
        json: isJson && body.length > 0 ? JSON.parse(body.toString()) : undefined,
      }
    },
    async events(type) {
      const filter = { limit: 200, ...(type !== undefined && { type }) }
      return (await database.store.asTenant(tenant, rows => rows.audit.query(filter))).rows
    },
    stop,
    async close() {
      await stop(200)
      await egress.close()
      await provider.close()
      await database.close()
    },
  }
}
