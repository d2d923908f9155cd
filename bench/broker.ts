import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Valetkey } from '@valetkey/sdk'
import { type Child, startChild, startTarget } from './child.ts'
import { loopbackCertificate } from './targets/loopback-certificate.ts'

/** The product as its command starts it, with one person's connection that one agent may use. */
export interface Broker {
  readonly child: Child
  /** The URL below which the connection's paths are; over TLS when the upstream is. */
  prefix(tls?: boolean): string
  /** The header of the agent, good for as long as a measurement takes. */
  authorization(): Promise<string>
  stop(): Promise<void>
}

const command = fileURLToPath(new URL('../node_modules/.bin/valetkey', import.meta.url))

/** The flags with which the command starts Node, so that a broker that is built here runs on the same engine. */
function flagsOfCommand(): string[] {
  return readFileSync(command, 'utf8').match(/--max-semi-space-size=\d+/g) ?? []
}

/** A data folder after `init`, with the settings that go with it. */
export function initFolder(environment: Readonly<Record<string, string>> = {}) {
  const parent = mkdtempSync(join(tmpdir(), 'valetkey-bench-'))
  const folder = join(parent, 'data')
  const settings = { HOME: parent, PATH: process.env.PATH ?? '', VALETKEY_EGRESS_ALLOW: '127.0.0.0/8', ...environment }
  const made = spawnSync(command, ['init', '--data', folder, '--json'], { env: settings, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`valetkey init: ${made.stderr}${made.stdout}`)
  const remove = () => rmSync(parent, { recursive: true, force: true })
  process.once('exit', remove)
  const { operator } = JSON.parse(made.stdout) as {
    operator: { readonly client_id: string; readonly client_secret: string }
  }
  return { parent, folder, settings, operator, remove }
}

/** `valetkey serve` over such a folder, as an operator starts it. */
export function serveFolder(
  folder: string,
  settings: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<Child> {
  if (flags.length === 0)
    return startChild(command, ['serve', '--data', folder, '--port', '0', '--json'], { environment: settings })
  return startChild(command, ['serve', '--data', folder, '--port', '0', '--json'], {
    environment: { ...settings, NODE_OPTIONS: flags.join(' ') },
  })
}

/** Makes a server and connects one person's account at the upstream, in plain and over TLS, by the whole connect flow. */
export async function startBroker(
  upstream: { readonly url: string; readonly tlsUrl: string },
  { records = true, flags = [] as readonly string[] } = {},
): Promise<Broker> {
  const made = initFolder()
  const ca = join(made.parent, 'ca.pem')
  writeFileSync(ca, loopbackCertificate.cert)
  const settings = { ...made.settings, NODE_EXTRA_CA_CERTS: ca, VALETKEY_LOG: 'error' }
  const child = records
    ? await serveFolder(made.folder, settings, flags)
    : await startTarget('broker-without-records', [made.folder], {
        environment: settings,
        nodeFlags: flagsOfCommand(),
      })
  const url = child.said.url!
  const office = await populate(url, made.operator, upstream)
  const { connections } = office
  let token: { readonly header: string; readonly at: number } | undefined
  return {
    child,
    prefix: tls => `${url}/proxy/${tls === true ? connections.tls : connections.plain}`,
    async authorization() {
      if (token !== undefined && performance.now() - token.at < 60_000) return token.header
      token = { header: await office.authorization(), at: performance.now() }
      return token.header
    },
    async stop() {
      await child.stop()
      made.remove()
    },
  }
}

/** Makes an agent and a person, connects the person's account, and lets the agent use it. */
export async function populate(
  url: string,
  pair: { readonly client_id: string; readonly client_secret: string },
  upstream: { readonly url: string; readonly tlsUrl: string },
) {
  const operator = new Valetkey({ url, clientId: pair.client_id, clientSecret: pair.client_secret })
  const agent = await operator.agents.create({ name: 'bench' })
  const user = { external_id: 'ada' }
  await operator.users.create(user)
  const connections = {
    plain: await connect(operator, agent.id, upstream.url),
    tls: await connect(operator, agent.id, upstream.tlsUrl),
  }
  return {
    connections,
    async authorization(): Promise<string> {
      const task = await operator.tasks.create({ agent: agent.id, user, purpose: 'bench', expires_at: inAnHour() })
      return `Bearer ${task.access_token}`
    },
    /** One more grant of this agent on the same connection. */
    async grant(permissions: readonly string[]): Promise<void> {
      await operator.grants.create({
        user,
        agent: agent.id,
        connection: connections.plain,
        permissions: [...permissions],
        expires_at: inAnHour(),
      })
    },
  }
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

async function connect(operator: Valetkey, agent: string, origin: string): Promise<string> {
  const user = { external_id: 'ada' }
  const integration = await operator.integrations.create({
    provider: 'hubspot',
    client_id: 'bench',
    client_secret: 'bench-client-secret-0123456789',
    overrides: { origins: { 'https://app.hubspot.com': origin, 'https://api.hubapi.com': origin } },
  })
  const session = await operator.connectSessions.create({
    user,
    integration: integration.id,
    scopes: ['oauth', 'crm.objects.contacts.read', 'crm.objects.contacts.write'],
    return_to: 'http://127.0.0.1:9/done',
  })
  const code = await consent(session.connect_url!)
  const connection = await operator.connectSessions.complete(session.id, { completion_code: code, user })
  await operator.grants.create({
    user,
    agent,
    connection: connection.id,
    permissions: ['hubspot:contacts:*'],
    paths: [{ methods: ['GET', 'POST'], pattern: '/bench/**' }],
    expires_at: inAnHour(),
  })
  return connection.id
}

/** The person's way: the page of the session, the button, the provider's yes, the callback. Gives the completion code. */
async function consent(connectUrl: string): Promise<string> {
  const { origin } = new URL(connectUrl)
  const page = await fetch(connectUrl, { redirect: 'manual' })
  const form = new URLSearchParams({ continue: '1' })
  for (const [, name, value] of (await page.text()).matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g))
    form.set(name!, value!)
  const cookies = new Map<string, string>()
  const keep = (answer: Response) => {
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';', 1)[0]!.split('=', 2) as [string, string]
      cookies.set(name, value)
    }
  }
  const cookie = () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  keep(page)
  const left = await fetch(connectUrl, {
    method: 'POST',
    body: form,
    headers: { origin, cookie: cookie() },
    redirect: 'manual',
  })
  keep(left)
  if (left.status !== 303)
    throw new Error(`The connect page of the bench answered ${left.status}: ${await left.text()}`)
  const asked = new URL(left.headers.get('location') ?? '')
  const callback = new URL(asked.searchParams.get('redirect_uri') ?? '')
  callback.searchParams.set('code', 'bench-code')
  callback.searchParams.set('state', asked.searchParams.get('state') ?? '')
  const back = await fetch(callback, { headers: { cookie: cookie() }, redirect: 'manual' })
  if (back.status !== 303) throw new Error(`The callback of the bench answered ${back.status}: ${await back.text()}`)
  const done = new URL(back.headers.get('location') ?? '')
  const code = done.searchParams.get('completion_code')
  if (code === null) throw new Error(`The connect flow of the bench ended with ${done.href}`)
  return code
}
