import type { TestProvider } from '@valetkey/test-provider'
import type { Listener } from '@valetkey/test-provider/http/listener'
import type { Emulator } from 'emulate'
import { StartFault } from '../data-folder.ts'
import { googleSeed } from './google-week.ts'
import { daysBefore, type Person, people } from './people.ts'
import { type Relay, relayOn, type SeenCall } from './relay.ts'
import type { Vendor, VendorClient } from './services.ts'
import { slackSeed, writeSlackWeek } from './slack-week.ts'

/** The stand-ins of the services, on loopback. Absent for a vendor that is real. */
export interface VendorWorld {
  readonly origins: Readonly<Partial<Record<Vendor, string>>>
  /** Starts the emulators, once it is known where each client's callbacks are. */
  start(callbacks: Readonly<Record<Vendor, readonly string[]>>): Promise<void>
  readonly hubspot: TestProvider
  /** Calls that reached an emulated vendor so far. */
  callsTo(vendor: Vendor): readonly SeenCall[]
  /** Every token and client secret of an emulated vendor so far. */
  secretsOf(vendor: Vendor): readonly string[]
  /** One more server of this process on loopback, on a free port. */
  listen(): Promise<Listener>
  close(): Promise<void>
}

type Clients = Readonly<Record<Vendor, VendorClient>>

/** Opens the addresses of the stand-ins. The packages behind them are for development, so they may be missing. */
export async function openVendorWorld(clients: Clients, now: number): Promise<VendorWorld> {
  const { createEmulator } = await installed(() => import('emulate'), 'emulate@0.12.2')
  const { startTestProvider } = await installed(() => import('@valetkey/test-provider'), '@valetkey/test-provider')
  const { listen } = await installed(() => import('@valetkey/test-provider/http/listener'), '@valetkey/test-provider')
  const users = people.map(({ id, name, email }) => ({ id, name, email }))
  const seed = {
    notion: Object.fromEntries(people.map(person => [person.id, notionWeek(person, now)])),
    hubspot: Object.fromEntries(people.map((person, at) => [person.id, hubSpotWeek(person, at, now)])),
  }
  const relays: Partial<Record<Vendor, Relay>> = {}
  for (const vendor of ['slack', 'google'] as const)
    if (!clients[vendor].isReal) relays[vendor] = relayOn(await listen(0))
  const hubspot = await startTestProvider({ vendor: 'hubspot', users, seed, clients: [] })
  const notion = clients.notion.isReal
    ? undefined
    : await startTestProvider({ vendor: 'notion', users, seed, clients: [] })
  const providers: Partial<Record<Vendor, TestProvider>> = { hubspot, ...(notion !== undefined && { notion }) }
  const emulators: Emulator[] = []

  async function emulate(vendor: 'slack' | 'google', vendorSeed: Record<string, unknown>): Promise<void> {
    const relay = relays[vendor]
    if (relay === undefined) return
    // An emulator with a public address of its own does not tell its port, so a free one is found for it.
    const probe = await listen(0)
    await probe.close()
    const { port } = new URL(probe.origin)
    emulators.push(
      await createEmulator({
        service: vendor,
        port: Number(port),
        baseUrl: relay.origin,
        seed: { tokens: {}, [vendor]: vendorSeed },
      }),
    )
    relay.forwardTo(`http://127.0.0.1:${port}`)
    if (vendor === 'slack') await writeSlackWeek(`http://127.0.0.1:${port}`, now)
  }

  return {
    origins: {
      ...Object.fromEntries(Object.entries(relays).map(([vendor, relay]) => [vendor, relay.origin])),
      ...Object.fromEntries(Object.entries(providers).map(([vendor, provider]) => [vendor, provider.url])),
    },
    hubspot,
    listen: () => listen(0),
    async start(callbacks) {
      for (const [vendor, provider] of Object.entries(providers) as [Vendor, TestProvider][])
        provider.addClient({
          id: clients[vendor].id,
          secret: clients[vendor].secret,
          redirectUris: callbacks[vendor],
        })
      await emulate('slack', slackSeed(clients.slack, callbacks.slack))
      await emulate('google', googleSeed(clients.google, callbacks.google, now))
    },
    callsTo: vendor =>
      relays[vendor]?.calls ??
      (providers[vendor]?.requests ?? []).map(({ method, path, headers }) => {
        const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
        return { method, path, ...(bearer !== undefined && { bearer }) }
      }),
    secretsOf: vendor => [
      ...new Set([
        clients[vendor].secret,
        ...(relays[vendor]?.issued ?? []),
        ...(providers[vendor]?.allIssuedSecrets() ?? []),
      ]),
    ],
    async close() {
      await Promise.allSettled([
        ...emulators.map(emulator => emulator.close()),
        ...Object.values(relays).map(relay => relay.close()),
        ...Object.values(providers).map(provider => provider.close()),
      ])
    },
  }
}

async function installed<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new StartFault(
      `The demo needs ${name}, which is not installed. Run it in a clone of the repository, after: npm ci`,
      cause,
    )
  }
}

function notionWeek({ name, week }: Person, now: number) {
  return {
    workspaceName: `Workspace of ${name}`,
    pages: week.pages.map(({ daysAgo, title }) => ({
      title,
      text: [`${title}, written down`],
      editedAt: daysBefore(now, daysAgo).toISOString(),
    })),
  }
}

function hubSpotWeek({ week }: Person, at: number, now: number) {
  const hubId = 1_000_000 * (at + 1)
  const ids = (kind: number) => (_: unknown, index: number) => String(hubId + kind * 100 + index)
  const withIds = <T>(kind: number, rows: readonly T[], properties: (row: T) => Record<string, string>) =>
    rows.map((row, index) => ({
      id: ids(kind)(row, index),
      properties: properties(row),
      updatedAt: daysBefore(now, index + 1).toISOString(),
    }))
  return {
    hubId,
    records: {
      contacts: withIds(1, week.contacts, ({ first, last, company }) => ({
        firstname: first,
        lastname: last,
        company,
        email: `${first}.${last}@example.com`.toLowerCase(),
      })),
      deals: withIds(2, week.deals, ({ name, stage, amount }) => ({ dealname: name, dealstage: stage, amount })),
      tasks: withIds(3, week.tasks, ({ daysAgo, subject, status }) => ({
        hs_task_subject: subject,
        hs_task_status: status,
        hs_timestamp: daysBefore(now, daysAgo).toISOString(),
      })),
    },
  }
}
