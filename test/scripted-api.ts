import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ProviderEntry } from '../packages/server/src/core/catalogue/provider.ts'
import { acme, openRig, type Rig } from '../packages/server/src/edges/http/proxy/test-rig.ts'

/** What a test lets the API of a provider answer; `token` is the one that it was sent. */
export type Answering = (request: IncomingMessage, response: ServerResponse, token: string) => void

/** An API behind the proxy that answers as a test says, under two hosts of one entry, and one agent that may use it. */
export interface ScriptedApi {
  readonly rig: Rig
  readonly origin: string
  readonly connection: string
  readonly token: string
  answer: Answering
  /** Requests that reached it. */
  readonly requests: IncomingMessage[]
  ask(path: string, headers?: Readonly<Record<string, string>>, method?: string): ReturnType<Rig['ask']>
  close(): Promise<void>
}

/** Its hosts as the entry names them; both are the same server. */
export const hosts = ['data.acme.example', 'files.acme.example'] as const

export async function startScriptedApi(
  operations: ProviderEntry['operations'] = [],
  paths: readonly { readonly methods: readonly string[]; readonly host?: string; readonly pattern: string }[] = [
    { methods: ['GET', 'HEAD', 'POST', 'PUT'], host: hosts[0], pattern: '/open/**' },
  ],
): Promise<ScriptedApi> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    response.on('error', () => {})
    api.answer(request, response, (request.headers.authorization ?? '').replace(/^Bearer /, ''))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const entry: ProviderEntry = {
    ...acme,
    api: {
      ...acme.api,
      origins: [...acme.api.origins, ...hosts.map(host => ({ origin: `https://${host}`, pathPrefixes: ['/'] }))],
      unauthorizedAnswers: [{ status: 200, pointer: '/error', values: ['token_revoked'] }],
    },
    operations: [...acme.operations, ...operations],
  }
  const rig = await openRig({
    entry,
    overrides: url => ({
      origins: {
        'https://api.acme.example': url,
        ...Object.fromEntries(hosts.map(host => [`https://${host}`, origin])),
      },
    }),
  })
  const connection = await rig.connect('alice')
  await rig.grant(connection, { paths, permissions: ['acme:items:*', 'acme:items:write'] } as never)
  const { token } = await rig.task('alice')
  const api: ScriptedApi = {
    rig,
    origin,
    connection: connection.id,
    token,
    answer: (_request, response) => response.end(),
    requests,
    ask: (path, headers = {}, method = 'GET') => rig.ask(path, { token, headers, method }),
    async close() {
      await rig.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return api
}
