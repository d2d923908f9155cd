import { socketFetch } from '@valetkey/sdk/node-socket'
import type { Config } from '../config.ts'
import { socketPath } from './data-folder.ts'

const answersWithinMs = 2_000

/**
 * The server's own URL: what the running server of the folder says of itself (`--port` may have been another, or 0), else
 * what the settings say.
 */
export async function servingUrl(config: Config): Promise<string> {
  return (await askServer(config.dataFolder)) ?? (config.url === '' ? configuredUrl(config) : config.url)
}

async function askServer(folder: string): Promise<string | undefined> {
  try {
    const answer = await socketFetch(socketPath(folder))('http://localhost/.well-known/oauth-authorization-server', {
      signal: AbortSignal.timeout(answersWithinMs),
    })
    const { issuer } = (await answer.json()) as { readonly issuer?: unknown }
    return answer.ok && typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}

/** Where the settings say that a server without a public URL listens. */
export function configuredUrl({ host, port, tls }: Pick<Config, 'host' | 'port' | 'tls'>): string {
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
