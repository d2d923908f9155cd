import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection, Grant } from '@valetkey/sdk/wire'
import type { CliIo } from '../../edges/cli/cli-io.ts'
import type { Output } from '../../edges/cli/output.ts'
import { gatherWeek, openVault, type PersonDigest } from './agent.ts'
import { consentAtEmulator, walkConnect } from './browser.ts'
import {
  auditTrail,
  expiryCrossed,
  filesIn,
  noTokenLeaked,
  otherPersonRefused,
  readTrail,
  revokedGrantRefused,
  whoseData,
  writeRefused,
} from './checks.ts'
import { type Check, drawCheck, drawDigest, drawTrail, trailRows } from './draw.ts'
import { hear } from './heard.ts'
import type { Verdict } from './judges.ts'
import { connectPerson, letRead, type Office, openOffice, startTask } from './office.ts'
import { openInBrowser } from './open-browser.ts'
import { type Person, people } from './people.ts'
import { returnPageOn } from './return-page.ts'
import { type Service, services, type Vendor, type VendorClient, vendors } from './services.ts'
import type { Cast, Stage } from './stage.ts'
import { ValetkeyProcesses } from './valetkey-process.ts'
import { openVendorWorld, type VendorWorld } from './vendor-world.ts'

export type Closer = () => Promise<unknown>

/** The checks, in the order in which they are made. */
export const checkIds = [
  'whose_data',
  'write_refused',
  'other_person_refused',
  'expiry_crossed',
  'revoked_grant_refused',
  'audit_trail',
  'no_token_leaked',
] as const

/** What the story is given, and where it puts what came of it. */
export interface Telling {
  readonly io: CliIo
  readonly clients: Readonly<Record<Vendor, VendorClient>>
  /** A person consents in a browser. */
  readonly isOpen: boolean
  readonly voice: { line(text: string): unknown; readonly out: Output }
  /** Aborted when somebody asked to stop: the story ends at its next step. */
  readonly signal: AbortSignal
  /** Each thing that was started puts its end here, to be called last first. */
  readonly closers: Closer[]
  readonly checks: Check[]
  readonly digest: PersonDigest[]
}

/** The demo from the empty folder to the last check. Throws when something that is no check goes wrong. */
export async function tellStory(telling: Telling): Promise<void> {
  const { io, clients, voice, signal, closers, checks, digest } = telling
  const { out } = voice
  const done = (text: string) => {
    signal.throwIfAborted()
    voice.line(`✓ ${text}`)
  }
  const check = (id: (typeof checkIds)[number], verdict: Verdict) => {
    signal.throwIfAborted()
    const one = { id, ...verdict }
    checks.push(one)
    voice.line(drawCheck(one, out))
  }

  voice.line(out.bold('An agent summarises two people’s weeks through Valetkey and never holds a token.'))
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-demo-'))
  closers.push(async () => rmSync(folder, { recursive: true, force: true }))
  const world = await openVendorWorld(clients, io.now())
  closers.push(() => world.close())
  const { processes, dataFolder, url, operator, stop } = await startValetkey(telling, folder, world)
  done(`Valetkey runs on a fresh database (${url})`)

  const returnPage = returnPageOn(await world.listen())
  closers.push(() => returnPage.close())
  const office = await openOffice({ url, operator, returnTo: returnPage.url, clients, origins: world.origins })
  await world.start(callbacksOf(office))
  done(`${services.map(({ label }) => label).join(', ')}: ${standIns(clients)}`)
  await askToRegister(telling, office)

  const connections = new Map<Person, Map<string, Connection>>(people.map(person => [person, new Map()]))
  for (const service of services) {
    for (const person of people) {
      const walk = (connectUrl: string) => walkAs(telling, person, service, connectUrl)
      connections.get(person)!.set(service.provider, await connectPerson(office, person, service, returnPage, walk))
    }
    done(`${people.map(({ name }) => name).join(' and ')} connected ${service.label}`)
  }

  const agent = await office.operator.agents.create({ name: 'Scribe', description: 'Reads weeks, writes digests' })
  const heard = hear(io.fetch)
  const cast: Cast[] = []
  for (const person of people) {
    const grants = new Map<string, Grant>()
    for (const connection of connections.get(person)!.values())
      grants.set(connection.provider, await letRead(office, agent, person, connection, io.now()))
    const task = await startTask(office, agent, person, io.now())
    const vault = openVault({
      url,
      clientId: agent.client_id,
      clientSecret: agent.client_secret!,
      task: { id: task.id, token: task.access_token, expiresIn: task.expires_in },
      fetch: heard.fetch,
    })
    cast.push({ person, vault, connections: connections.get(person)!, grants })
  }
  done('one agent, read-only grants, a task for each person')

  digest.push(...(await Promise.all(cast.map(({ vault, person }) => gatherWeek(vault, person.name, io.now())))))
  if (!out.isJson) for (const one of digest) voice.line(`\n${drawDigest(one, out)}`)
  voice.line('')

  const stage: Stage = { office, agent, cast, vendors: world, clients, heard, processes, dataFolder }
  check('whose_data', whoseData(stage, digest))
  check('write_refused', await writeRefused(stage))
  check('other_person_refused', await otherPersonRefused(stage))
  check('expiry_crossed', await expiryCrossed(stage))
  check('revoked_grant_refused', await revokedGrantRefused(stage))
  const events = await readTrail(stage)
  const names = {
    users: new Map(cast.map(({ person, connections: own }) => [[...own.values()][0]!.user!.id, person.name])),
    agents: new Map([[agent.id, agent.name]]),
    owners: new Map(
      cast.flatMap(({ person, connections: own }) => [...own.values()].map(({ id }) => [id, person.name])),
    ),
  }
  if (!out.isJson) voice.line(`\n${drawTrail(trailRows(events, names))}\n`)
  check('audit_trail', await auditTrail(stage, events))
  const running = filesIn(dataFolder)
  await stop()
  check('no_token_leaked', noTokenLeaked(stage, { running, stopped: filesIn(dataFolder) }))
}

async function startValetkey(telling: Telling, folder: string, world: VendorWorld) {
  const { io, clients, closers } = telling
  const { VALETKEY_URL: publicUrl = '', VALETKEY_PORT: port = '7400', PATH = '', HOME = folder } = io.env
  // Behind a tunnel the providers need a public address; its owner says to which port it leads.
  const isPublic = publicUrl !== '' && vendors.some(vendor => clients[vendor].isReal)
  const allowed = Object.values(world.origins).map(origin => new URL(origin).host)
  const processes = new ValetkeyProcesses({
    PATH,
    HOME,
    XDG_CONFIG_HOME: join(folder, 'config'),
    VALETKEY_EGRESS_ALLOW: allowed.join(','),
    ...(isPublic && { VALETKEY_URL: publicUrl }),
  })
  closers.push(() => processes.close())
  const dataFolder = join(folder, 'data')
  const said = await processes.run(['init', '--data', dataFolder, '--json'])
  if (said.code !== 0) throw new Error(`valetkey init failed: ${said.stderr}`)
  const { operator } = JSON.parse(said.stdout) as { operator: { client_id: string; client_secret: string } }
  const server = await processes.serve(['--data', dataFolder, '--port', isPublic ? port : '0'])
  const url = isPublic ? `http://127.0.0.1:${port}` : server.url
  return { processes, dataFolder, url, operator, stop: server.stop }
}

function callbacksOf({ integrations }: Office): Record<Vendor, string[]> {
  const of = (vendor: Vendor) =>
    services
      .filter(service => service.vendor === vendor)
      .map(({ provider }) => integrations.get(provider)!.callback_url)
  return Object.fromEntries(vendors.map(vendor => [vendor, of(vendor)])) as Record<Vendor, string[]>
}

function standIns(clients: Telling['clients']): string {
  const real = vendors.filter(vendor => clients[vendor].isReal)
  return real.length === 0 ? 'emulated on this machine' : `${real.join(', ')} for real, the rest emulated here`
}

/** The callback URLs are new in every run: real providers must hear of them first. */
async function askToRegister({ io, clients, voice }: Telling, office: Office): Promise<void> {
  const real = services.filter(({ vendor }) => clients[vendor].isReal)
  if (real.length === 0) return
  voice.line('\nRegister these redirect URLs at your OAuth clients:')
  for (const { provider, label } of real) voice.line(`  ${label}: ${office.integrations.get(provider)!.callback_url}`)
  if (io.stdin.isTTY !== true) return
  voice.line('Then press Enter.')
  for await (const _line of io.stdin) break
}

async function walkAs({ clients, isOpen, voice }: Telling, person: Person, service: Service, connectUrl: string) {
  if (isOpen) {
    const whose = clients[service.vendor].isReal ? 'with an account of your own' : `choose ${person.email}`
    voice.line(`→ ${person.name} connects ${service.label} (${whose}): ${connectUrl}`)
    openInBrowser(connectUrl)
    return
  }
  await walkConnect(connectUrl, (authorizationUrl, browser) => consentAtEmulator(authorizationUrl, browser, person))
}
