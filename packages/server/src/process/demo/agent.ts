import { type ConnectionFetch, Valetkey } from '@valetkey/sdk'
import type { Connection } from '@valetkey/sdk/wire'
import { readWeek } from './read-week.ts'
import { services } from './services.ts'

/** One line of a digest. */
export interface Item {
  /** RFC 3339. */
  readonly when?: string
  readonly text: string
}

/** What one service told of one person's week, or why it did not. */
export interface SourceDigest {
  readonly source: string
  readonly provider: string
  readonly items: readonly Item[]
  readonly fault?: string
}

export interface PersonDigest {
  readonly person: string
  readonly sources: readonly SourceDigest[]
}

/** What an agent is given: where Valetkey is, who it is, and one task. Nothing of any provider. */
export interface AgentTask {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  readonly task: { readonly id: string; readonly token: string; readonly expiresIn: number }
  readonly fetch: typeof fetch
}

/** The agent at work on one task, so for one person. */
export function openVault({ url, clientId, clientSecret, task, fetch }: AgentTask): Valetkey {
  return new Valetkey({ url, clientId, clientSecret, task, fetch })
}

/** Gathers a person's week: finds the connections that this task reaches, and reads each service through its own. */
export async function gatherWeek(vault: Valetkey, person: string, now: number): Promise<PersonDigest> {
  const connections = await vault.connections.list().toArray()
  const sources = await Promise.all(
    services.map(async ({ provider, label }): Promise<SourceDigest> => {
      const connection = connections.find(candidate => candidate.provider === provider)
      return { source: label, provider, ...(await readSource(vault, connection, provider, now)) }
    }),
  )
  return { person, sources }
}

async function readSource(
  vault: Valetkey,
  connection: Connection | undefined,
  provider: string,
  now: number,
): Promise<Pick<SourceDigest, 'items' | 'fault'>> {
  if (connection === undefined) return { items: [], fault: 'no connection in reach' }
  try {
    const fetch: ConnectionFetch = vault.connection(connection.id).fetch
    return { items: await readWeek(provider, fetch, now) }
  } catch (error) {
    return { items: [], fault: error instanceof Error ? error.message : String(error) }
  }
}
