import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AuditEvent } from '@valetkey/contract/events'
import { type DatabaseKind, databases, type TestDatabase } from '../../../../../../test/databases.ts'
import type { Caller } from '../../../core/caller.ts'
import { Failure } from '../../../core/failure.ts'
import { makeId, type TenantId } from '../../../core/ids.ts'
import { createRevocations } from '../../../core/revocations.ts'
import { rootKeyFromBytes } from '../../../engines/vault/root-key.ts'
import { openVault } from '../../../engines/vault/vault.ts'
import type { ClientInput } from '../../../flows/agents/check-client-input.ts'
import { createClient, createOperator } from '../../../flows/agents/create-client.ts'
import { openSigners } from '../../../flows/agents/open-signers.ts'
import { saveUser } from '../../../flows/users/save-user.ts'
import { createLog } from '../../../log.ts'
import type { Parts } from '../../../parts.ts'
import { authorizationOf, createAuthenticate } from '../authenticate.ts'
import { challengeFor } from '../challenge.ts'
import { createAuthorizationServer } from './authorization-server.ts'

/** A tenant on a real store, vault and socket: the authorization server, and a resource that tells who called. */
export interface World {
  readonly parts: Parts
  readonly tenant: TenantId
  readonly url: string
  readonly database: TestDatabase
  readonly operator: Caller
  readonly operatorSecret: string
  readonly logged: string[]
  /** Moves our clock; the library's own stays. */
  skip(ms: number): void
  client(input: Partial<ClientInput>): Promise<{ readonly id: string; readonly secret: string }>
  user(externalId: string): Promise<string>
  /** Posts a form to the token endpoint. */
  post(form: Record<string, string> | string, headers?: Record<string, string>): Promise<Answer>
  /** The token of a client by `client_secret_basic`. */
  token(client: { readonly id: string; readonly secret: string }, form?: Record<string, string>): Promise<string>
  whoami(headers?: [string, string][], path?: string, init?: RequestInit): Promise<Answer>
  events(type: string): Promise<readonly AuditEvent[]>
  close(): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly body: any
}

export const basic = (client: { readonly id: string; readonly secret: string }) => ({
  authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
})

export async function openWorld(open: DatabaseKind['open'] = databases()[0]!.open): Promise<World> {
  const database = await open()
  const { store } = database
  let skipped = 0
  const now = () => Date.now() + skipped
  const random = (size: number) => randomBytes(size)
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
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const parts = {
    config: { url },
    now,
    random,
    store,
    vault,
    revocations: createRevocations(),
    signers: openSigners({ store, vault, now }),
    log: createLog(line => logged.push(line), now),
  } as unknown as Parts
  serve(server, parts, tenant, url)
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
  const world: World = {
    parts,
    tenant,
    url,
    database,
    operator,
    operatorSecret: made.secret.reveal(),
    logged,
    skip(ms) {
      skipped += ms
    },
    async client(input) {
      const whole = { kind: 'agent', name: 'digest', ...input } as ClientInput
      const { client, secret } = await createClient(parts, operator, whole, () => undefined)
      return { id: client.id, secret: secret?.reveal() ?? '' }
    },
    user: async externalId => (await saveUser(parts, operator, { externalId })).user.id,
    async post(form, headers = {}) {
      const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
      return answer(
        await fetch(`${url}/oauth/token`, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        }),
      )
    },
    async token(client, form = {}) {
      const { body } = await world.post({ grant_type: 'client_credentials', ...form }, basic(client))
      if (typeof body.access_token !== 'string') throw new Error(`no token: ${JSON.stringify(body)}`)
      return body.access_token
    },
    whoami: async (headers = [], path = '/whoami', init = {}) => answer(await fetch(url + path, { ...init, headers })),
    events: async type => (await store.asTenant(tenant, rows => rows.audit.query({ type, limit: 100 }))).rows,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      await database.close()
    },
  }
  return world
}

function serve(server: Server, parts: Parts, tenant: TenantId, url: string): void {
  const authorizationServer = createAuthorizationServer(parts)
  const authenticate = createAuthenticate(parts)
  server.on('request', (request, response) => {
    const ip = request.socket.remoteAddress ?? ''
    if (request.url?.startsWith('/oauth/')) {
      void authorizationServer(request, response, { tenant, url: request.url, requestId: 'req_test', ip })
      return
    }
    const authorization = authorizationOf(request.rawHeaders)
    const resource = request.url?.startsWith('/mcp') ? 'mcp' : 'api'
    const takesTokenScheme = request.url?.startsWith('/proxy') === true
    authenticate({ id: tenant }, { authorization, requestId: 'req_test', ip, resource, takesTokenScheme }).then(
      caller => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ ...caller, scopes: [...caller.scopes] }))
      },
      (failure: Failure) => {
        if (!(failure instanceof Failure)) throw failure
        const field = challengeFor(failure, { baseUrl: url, authorization, resource })
        response.writeHead(failure.status, {
          'content-type': 'application/json',
          ...(field !== undefined && { 'www-authenticate': field }),
        })
        response.end(JSON.stringify({ code: failure.code, detail: failure.message }))
      },
    )
  })
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}
