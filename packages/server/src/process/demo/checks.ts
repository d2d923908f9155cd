import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ValetkeyError } from '@valetkey/sdk'
import type { AuditEvent } from '@valetkey/sdk/wire'
import type { PersonDigest } from './agent.ts'
import {
  type Attempt,
  judgeExpiry,
  judgeRefusals,
  judgeRevocation,
  judgeTrail,
  judgeWhoseData,
  unfinished,
  type Verdict,
} from './judges.ts'
import { people } from './people.ts'
import { type Haystack, judgeLeaks } from './search-secrets.ts'
import { services, type Vendor, vendors } from './services.ts'
import type { Cast, Stage } from './stage.ts'

/** Each person's digest holds their own week and nothing of the other's. */
export function whoseData({ vendors: world, clients }: Stage, digests: readonly PersonDigest[]): Verdict {
  const seeded = services.filter(service => !clients[service.vendor].isReal)
  const expectations = people.flatMap(person =>
    seeded.map(service => ({
      person: person.name,
      source: service.label,
      own: service.markers(person),
      foreign: people.filter(other => other !== person).flatMap(service.markers),
    })),
  )
  const unknown = emulated(clients).flatMap(vendor => {
    const issued = new Set(world.secretsOf(vendor))
    return world.callsTo(vendor).filter(({ bearer }) => bearer !== undefined && !issued.has(bearer))
  })
  return judgeWhoseData(digests, expectations, unknown.length)
}

/** The agent may read only: what writes is refused before it is sent. */
export async function writeRefused(stage: Stage): Promise<Verdict> {
  const [{ vault, connections }] = stage.cast as [Cast]
  const attempts = [
    await attempt(stage, 'slack', 'posting a message', () =>
      vault.connection(connections.get('slack')!.id).fetch('/api/chat.postMessage', {
        method: 'POST',
        body: new URLSearchParams({ channel: 'announcements', text: 'from the agent' }),
      }),
    ),
    await attempt(stage, 'hubspot', 'creating a contact', () =>
      vault.connection(connections.get('hubspot')!.id).fetch('/crm/v3/objects/contacts', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ properties: { email: 'from-the-agent@example.com' } }),
      }),
    ),
  ]
  return judgeRefusals(attempts, 403, ['operation_not_permitted'])
}

/** Under Ada's task Ben's connection does not exist, though the same agent has a grant on it. */
export async function otherPersonRefused(stage: Stage): Promise<Verdict> {
  const [ada, ben] = stage.cast as [Cast, Cast]
  const attempts: Attempt[] = []
  for (const provider of ['hubspot', 'gmail']) {
    const path = provider === 'gmail' ? '/gmail/v1/users/me/messages' : '/crm/v3/objects/contacts'
    const { id } = ben.connections.get(provider)!
    const { vendor, label } = services.find(service => service.provider === provider)!
    attempts.push(
      await attempt(stage, vendor, `${ben.person.name}'s ${label} under ${ada.person.name}'s task`, () =>
        ada.vault.connection(id).fetch(path),
      ),
    )
  }
  return judgeRefusals(attempts, 404, ['not_found'])
}

/** A person takes a grant back between two calls. */
export async function revokedGrantRefused(stage: Stage): Promise<Verdict> {
  const [{ vault, connections, grants }] = stage.cast as [Cast]
  const read = (what: string) =>
    attempt(stage, 'hubspot', what, () =>
      vault.connection(connections.get('hubspot')!.id).fetch('/crm/v3/objects/deals?limit=1'),
    )
  const before = await read('reading deals')
  await stage.office.app.grants.revoke(grants.get('hubspot')!.id)
  return judgeRevocation(before, await read('the very next call'))
}

/** Access tokens end at the provider while the agent works; it sends five calls at once and sees five answers. */
export async function expiryCrossed(stage: Stage): Promise<Verdict> {
  const { hubspot } = stage.vendors
  const [{ person, vault, connections }] = stage.cast as [Cast]
  const before = hubspot.stats.refreshes
  const expired = hubspot.expireAccessTokens(person.id)
  const { fetch } = vault.connection(connections.get('hubspot')!.id, { throwOnDenied: false })
  const answers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const answer = await fetch('/crm/v3/objects/contacts?limit=1')
      await answer.arrayBuffer()
      return answer.status
    }),
  )
  return judgeExpiry({ expired, refreshes: hubspot.stats.refreshes - before, statuses: answers })
}

/** Reads the record until every access has its outcome; an event is readable within a second of its answer. */
export async function readTrail({ office }: Stage): Promise<AuditEvent[]> {
  let events: AuditEvent[] = []
  for (let tries = 0; tries < 20; tries++) {
    events = await office.operator.audit.events().toArray(5_000)
    if (unfinished(events).length === 0) break
    await pause(100)
  }
  return events
}

/** The record tells who read what through which agent, and nobody has altered it. */
export async function auditTrail(stage: Stage, events: readonly AuditEvent[]): Promise<Verdict> {
  const said = await stage.processes.run(['audit', 'verify', '--data', stage.dataFolder, '--json'])
  const verified = parsed(said.stdout) ?? { ok: false, reason: said.stderr.trim() }
  return judgeTrail(
    events,
    {
      agent: stage.agent.id,
      reads: stage.cast.flatMap(({ connections }) =>
        [...connections.values()].map(({ id, user }) => ({ connection: id, user: user!.id })),
      ),
      denials: 3,
    },
    { ...verified, ok: verified.ok && said.code === 0 },
  )
}

/** The files of the data folder as they are now: the database, its write-ahead log and what else lies there. */
export function filesIn(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true }).map(name => join(folder, String(name)))
  return Buffer.concat(files.filter(path => statSync(path).isFile()).map(path => readFileSync(path)))
}

/** No token and no client secret of any provider where it does not belong. */
export function noTokenLeaked(stage: Stage, files: { readonly running: Buffer; readonly stopped: Buffer }): Verdict {
  const { clients, vendors: world } = stage
  const secrets = Object.fromEntries(
    vendors.map(vendor => [vendor, clients[vendor].isReal ? [clients[vendor].secret] : world.secretsOf(vendor)]),
  )
  // One access token for each connection at least: else the list, not the vault, would be empty.
  const thin = emulated(clients).filter(
    vendor =>
      secrets[vendor]!.length - 1 < people.length * services.filter(service => service.vendor === vendor).length,
  )
  if (thin.length > 0) return { ok: false, detail: `too few tokens are known of ${thin.join(', ')}` }
  const { id } = stage.cast[0]!.connections.get('hubspot')!
  const haystacks: Haystack[] = [
    { name: 'what the agent received', bytes: stage.heard.bytes(), control: id },
    { name: 'the logs', bytes: Buffer.from(stage.processes.log), control: '"ready"' },
    { name: 'the database in use', bytes: files.running, control: id },
    { name: 'the database at rest', bytes: files.stopped, control: id },
  ]
  const verdict = judgeLeaks(secrets, haystacks)
  const real = vendors.filter(vendor => clients[vendor].isReal)
  if (real.length === 0) return verdict
  return { ...verdict, detail: `${verdict.detail}. Of ${real.join(', ')} the demo knows the client secret alone` }
}

function emulated(clients: Stage['clients']): Vendor[] {
  return vendors.filter(vendor => !clients[vendor].isReal)
}

/** Tries a call, and counts what reached the provider of it. */
async function attempt(
  { vendors: world, clients }: Stage,
  vendor: Vendor,
  what: string,
  call: () => Promise<Response>,
): Promise<Attempt> {
  const before = world.callsTo(vendor).length
  const said = await call().then(
    async answer => {
      await answer.arrayBuffer()
      return { status: answer.status }
    },
    (error: unknown) => {
      if (!ValetkeyError.is(error)) throw error
      return { status: error.status, code: error.code, reasons: error.reasons.map(reason => reason.code) }
    },
  )
  const reached = world.callsTo(vendor).length - before
  return { what, ...said, ...(!clients[vendor].isReal && said.status !== 200 && { reached }) }
}

function parsed(text: string): { ok: boolean; events?: number; reason?: string } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
