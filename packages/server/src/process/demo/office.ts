import { setTimeout as pause } from 'node:timers/promises'
import { Valetkey } from '@valetkey/sdk'
import type { Agent, Connection, Integration } from '@valetkey/sdk/wire'
import { type Person, people } from './people.ts'
import type { ReturnPage } from './return-page.ts'
import { type Service, services, type Vendor, type VendorClient } from './services.ts'

interface ClientPair {
  readonly client_id: string
  readonly client_secret: string
}

/** The tenant's own back end: it makes the integrations (as operator), connects people, and gives grants and tasks. */
export interface Office {
  readonly app: Valetkey
  readonly operator: Valetkey
  readonly integrations: ReadonlyMap<string, Integration>
}

/** The tenant's user id of a person is ours to choose; Valetkey's own is told back. */
export async function openOffice(given: {
  readonly url: string
  readonly operator: ClientPair
  readonly returnTo: string
  readonly clients: Readonly<Record<Vendor, VendorClient>>
  readonly origins: Readonly<Partial<Record<Vendor, string>>>
}): Promise<Office> {
  const { url, operator: pair, returnTo, clients, origins } = given
  const operator = new Valetkey({ url, clientId: pair.client_id, clientSecret: pair.client_secret })
  const integrations = new Map<string, Integration>()
  for (const service of services) {
    const { id, secret, isReal } = clients[service.vendor]
    const origin = origins[service.vendor]
    const made = await operator.integrations.create({
      provider: service.provider,
      client_id: id,
      client_secret: secret,
      ...(!isReal && origin !== undefined && { overrides: service.overrides(origin) }),
    })
    if (made.status !== 'ready')
      throw new Error(`the integration of ${service.label} is not ready: ${made.missing?.join(', ')} is missing`)
    integrations.set(service.provider, made)
  }
  for (const { id, name, email } of people) await operator.users.create({ external_id: id, display_name: name, email })
  const made = await operator.apps.create({
    name: 'Office',
    scopes: ['users:read', 'connections:read', 'connections:write', 'grants:read', 'grants:write', 'tasks:write'],
    return_to_urls: [returnTo],
  })
  return {
    app: new Valetkey({ url, clientId: made.client_id, clientSecret: made.client_secret! }),
    operator,
    integrations,
  }
}

/** The whole way of one person to one connection, as the office's app sees it. */
export async function connectPerson(
  { app, integrations }: Office,
  person: Person,
  service: Service,
  returnPage: ReturnPage,
  walk: (connectUrl: string) => Promise<void>,
): Promise<Connection> {
  const user = { external_id: person.id }
  const session = await app.connectSessions.create({
    user,
    integration: integrations.get(service.provider)!.id,
    return_to: returnPage.url,
    ...(service.scopes !== undefined && { scopes: service.scopes }),
  })
  await walk(session.connect_url!)
  const over = new AbortController()
  const params = await Promise.race([
    returnPage.returned(session.id),
    endedWithoutReturn(app, session.id, over.signal),
  ]).finally(() => over.abort())
  const code = params.get('completion_code')
  if (code === null)
    throw new Error(`${person.name} at ${service.label}: ${params.get('error') ?? 'no completion code'}`)
  return app.connectSessions.complete(session.id, { completion_code: code, user })
}

/** Rejects when the session fails or expires and no browser came back to tell. */
async function endedWithoutReturn(app: Valetkey, session: string, over: AbortSignal): Promise<never> {
  for (;;) {
    await pause(2_000, undefined, { signal: over })
    const { status, error } = await app.connectSessions.get(session)
    // A browser that comes back is a moment behind the session's end.
    if (status === 'expired') throw new Error('the connect session expired before anyone came back')
    if (status === 'failed') await pause(2_000, undefined, { signal: over })
    if (status === 'failed') throw new Error(`the connect session failed: ${error ?? 'no reason given'}`)
  }
}

/** Lets the agent read everything of one connection for an hour, and nothing else. */
export function letRead(office: Office, agent: Agent, person: Person, connection: Connection, now: number) {
  return office.app.grants.create({
    user: { external_id: person.id },
    agent: agent.id,
    connection: connection.id,
    permissions: [`${connection.provider}:*:*`],
    expires_at: new Date(now + 3_600_000).toISOString(),
  })
}

/** One run of the agent for one person. */
export function startTask(office: Office, agent: Agent, person: Person, now: number) {
  return office.app.tasks.create({
    agent: agent.id,
    user: { external_id: person.id },
    purpose: 'Summarise the week',
    expires_at: new Date(now + 3_600_000).toISOString(),
  })
}
