import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Serves one request whose path is given without the mount's prefix. */
export type MountHandler = (request: IncomingMessage, response: ServerResponse, path: string, query: string) => void

/** One HTTP server on the loopback address that several providers may share, each under a prefix of its own. */
export interface Listener {
  readonly origin: string
  /** Adds a provider under a prefix (`''` or `/name`); the answer takes it away again. */
  mount(prefix: string, handler: MountHandler): () => void
  close(): Promise<void>
}

const wellKnown = /^\/\.well-known\/(openid-configuration|oauth-authorization-server)(\/.*)?$/

/** Listens on 127.0.0.1; port 0 picks a free one. */
export async function listen(port: number): Promise<Listener> {
  const mounts = new Map<string, MountHandler>()
  const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    const target = request.url ?? '/'
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    const query = mark < 0 ? '' : target.slice(mark + 1)
    // RFC 8414 puts the well-known part before the issuer's path, OpenID Connect after it.
    const inserted = wellKnown.exec(path)
    const looked = inserted?.[2] === undefined ? path : `${inserted[2]}/.well-known/${inserted[1]}`
    for (const [prefix, handler] of mounts) {
      if (looked === prefix || looked.startsWith(`${prefix}/`)) {
        handler(request, response, looked.slice(prefix.length) || '/', query)
        return
      }
    }
    response.writeHead(404, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: 'not_found', error_description: 'no provider is mounted at this path' }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mount(prefix, handler) {
      if (mounts.has(prefix)) throw new TypeError(`a provider is already mounted at "${prefix || '/'}" of this server`)
      mounts.set(prefix, handler)
      // The longest prefix is asked first, so that a provider at the root leaves room for the others.
      const sorted = [...mounts].sort(([a], [b]) => b.length - a.length)
      mounts.clear()
      for (const [key, value] of sorted) mounts.set(key, value)
      return () => void mounts.delete(prefix)
    },
    async close() {
      if (!server.listening) return
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}
