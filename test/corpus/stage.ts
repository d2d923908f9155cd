import { expect } from 'vitest'
import { everyPath, idOf, type Rig, type RigOptions, startRig } from '../rig.ts'
import { type Got, ScriptedClient } from './scripted-client.ts'
import { answering, parseRequest, type Reached, type Script, ScriptedUpstream } from './scripted-upstream.ts'
import type { Ending } from './wire.ts'

/** How the calls of a case stand on the record: refused before anything was sent, or with the outcome of each. */
export type Recorded = 'denied' | 'ok' | 'error' | 'unknown' | 'either'

export interface Case {
  readonly name: string
  /** What the client writes, with `{proxy}` and `{token}` to be filled in. */
  readonly sends?: string
  /** What the provider does: these bytes in answer to each whole request, or a script. */
  readonly answers?: string | Script
  /** What reached the provider; `undefined` when it must be nothing. */
  readonly reaches?: { readonly line: string; readonly headers?: readonly string[]; readonly body?: string }
  /** What the client got: an answer, a refusal of ours, an answer that broke off, or an end without an answer. */
  readonly gets?: Expected
  /** The connection of the client after that; `kept` unless said. `over`: orderly or not, as the network has it. */
  readonly ending?: Ending | 'over' | 'kept'
  /** One word for each call that is on the record; none for what never became a request. */
  readonly record: readonly Recorded[]
  /** A case that one request and one answer do not tell. */
  readonly play?: (stage: Stage) => Promise<void>
}

export type Expected =
  | {
      readonly status: number
      /** `name: value` in the provider's spelling and order, without what is ours and what frames the message. */
      readonly headers?: readonly string[]
      readonly body?: string
      readonly trailers?: readonly string[]
      readonly interim?: readonly number[]
    }
  | { readonly refused: readonly [status: number, code: string] }
  /** Node's own words, which come before ours can. */
  | { readonly bare: number }
  | 'broken'
  | 'nothing'

/** The request line and the headers that every call of the corpus has; more lines, then the body. */
export function call(method: string, path: string, lines: readonly string[] = [], body = ''): string {
  return `${[`${method} {proxy}${path} HTTP/1.1`, 'Host: v', 'Authorization: Bearer {token}', ...lines].join('\r\n')}\r\n\r\n${body}`
}

export const get = (path: string, ...lines: readonly string[]): string => call('GET', path, lines)

/** An answer of the provider. */
export function answer(status: string, lines: readonly string[], body = ''): string {
  return `${[`HTTP/1.1 ${status}`, ...lines].join('\r\n')}\r\n\r\n${body}`
}

/** A real server between a scripted client and a scripted provider, with one connection that an agent may use wholly. */
export interface Stage {
  readonly rig: Rig
  readonly upstream: ScriptedUpstream
  /** Fills in `{proxy}` and `{token}`. */
  fill(text: string): string
  client(): Promise<ScriptedClient>
  /** A new client that has written this. */
  writing(text: string): Promise<ScriptedClient>
  run(given: Case): Promise<void>
  close(): Promise<void>
}

/** What stands on every brokered answer beside the provider's own. */
const ours = [
  'cache-control',
  'x-content-type-options',
  'content-security-policy',
  'valetkey-request-id',
  'x-request-id',
  'valetkey-event',
]
const framing = ['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length']

export async function openStage(options: RigOptions = {}): Promise<Stage> {
  const rig = await startRig(options)
  const upstream = await ScriptedUpstream.listen()
  const { provider } = await rig.provider()
  const secret = 'integration-secret-0123456789abcdef'
  const made = await rig.asOperator('POST', '/v1/integrations', {
    provider: 'generic-oidc',
    client_id: 'corpus',
    client_secret: secret,
    overrides: {
      issuer: provider.issuer,
      origins: {
        'https://api.example': `http://127.0.0.1:${upstream.port}`,
        [new URL(provider.issuer).origin]: new URL(provider.issuer).origin,
      },
    },
  })
  const integration = idOf(made)
  provider.addClient({ id: 'corpus', secret, redirectUris: [`${rig.url}/callback/${integration}`] })
  await rig.user('alice')
  const agent = await rig.agent()
  const connection = await rig.connect({ user: 'alice', integration, provider })
  await rig.grant({ agent: agent.id, connection, paths: everyPath })
  const { token } = await rig.task(agent.id, 'alice')
  const port = Number(new URL(rig.url).port)
  const clients: ScriptedClient[] = []

  const fill = (text: string) => text.replaceAll('{proxy}', `/proxy/${connection}`).replaceAll('{token}', token)
  const client = async () => {
    const opened = await ScriptedClient.open(port)
    clients.push(opened)
    return opened
  }
  const writing = async (text: string) => {
    const opened = await client()
    opened.write(fill(text))
    return opened
  }
  const accesses = async () => {
    const { rows } = await rig.system.parts.store.asTenant(rig.tenant, scope => scope.audit.query({ limit: 100 }))
    return rows.filter(event => event.type.startsWith('access.'))
  }

  const stage: Stage = {
    rig,
    upstream,
    fill,
    client,
    writing,
    async run(given) {
      const known = new Set((await accesses()).map(event => event.id))
      upstream.play(typeof given.answers === 'string' ? answering(given.answers) : (given.answers ?? answering('')))
      try {
        if (given.play !== undefined) await given.play(stage)
        else await exchange(stage, given)
        const passed = await follow(stage)
        await onRecord(accesses, known, passed, given.record)
        expect(upstream.faults).toEqual([])
      } finally {
        for (const one of clients.splice(0)) one.socket.destroy()
        upstream.reset()
      }
    },
    async close() {
      await upstream.close()
      await rig.close()
    },
  }
  return stage
}

async function exchange(stage: Stage, given: Case): Promise<void> {
  const client = await stage.writing(given.sends ?? get('/x'))
  const method = /^[A-Z]+/.exec(given.sends ?? 'GET')?.[0] ?? 'GET'
  await expectGot(client, given.gets ?? { status: 200, body: 'ok' }, method)
  if (given.reaches === undefined) expect(stage.upstream.text).toBe('')
  else {
    expect(stage.upstream.connections).toHaveLength(1)
    expectReached(stage, stage.upstream.connections[0]!.wire.text, given.reaches)
  }
  if (given.ending === 'fin' || given.ending === 'rst') expect(await client.end()).toBe(given.ending)
  else if (given.ending === 'over') await client.end()
  else expect(client.ending).toBeUndefined()
  expect(client.unread).toBe('')
}

/** Reads the next answer of a client and compares it. */
export async function expectGot(client: ScriptedClient, expected: Expected, method = 'GET'): Promise<void> {
  if (expected === 'broken') return expect(await client.brokeOff(method)).toBe(true)
  if (expected === 'nothing') {
    await client.end()
    return expect(client.unread).toBe('')
  }
  const got = await client.answer(method)
  if ('refused' in expected) {
    const [status, code] = expected.refused
    const named = got.headers.find(([name]) => name === 'valetkey-error')?.[1]
    expect([got.status, named]).toEqual([status, code])
    if (method !== 'HEAD') expect(JSON.parse(got.body)).toMatchObject({ status, code })
    return
  }
  if ('bare' in expected) return expect([got.status, got.body]).toEqual([expected.bare, ''])
  expect({
    status: got.status,
    headers: theirs(got),
    body: got.body,
    trailers: got.trailers,
    interim: got.interim,
  }).toEqual({ headers: [], body: '', trailers: [], interim: [], ...expected })
  for (const name of ours) expect(got.headers.filter(([given]) => given.toLowerCase() === name)).toHaveLength(1)
}

function theirs({ headers }: Got): string[] {
  return headers
    .filter(([name]) => !ours.includes(name.toLowerCase()) && !framing.includes(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}`)
}

/** Compares all bytes of a connection to the provider with the one request that should have come. */
export function expectReached(stage: Stage, text: string, expected: NonNullable<Case['reaches']>): void {
  const reached = requestsIn(text)
  expect(reached).toHaveLength(1)
  const { line, headers, body } = reached[0]!
  expect({ line, headers: sent(stage, headers), body }).toEqual({
    line: expected.line,
    headers: (expected.headers ?? []).toSorted(),
    body: expected.body ?? '',
  })
}

/** Every request in these bytes; what is left over fails. */
export function requestsIn(text: string): Reached[] {
  const found: Reached[] = []
  for (let rest = text; rest !== ''; ) {
    const one = parseRequest(rest)
    if (one === undefined) throw new Error(`no whole request: ${JSON.stringify(rest)}`)
    found.push(one)
    rest = rest.slice(one.length)
  }
  return found
}

/** Headers of a request without those of every request: host, the credential, the connection's and the length. */
function sent(stage: Stage, headers: readonly string[]): string[] {
  expect(headers).toContain(`host: 127.0.0.1:${stage.upstream.port}`)
  expect(headers.filter(line => line.startsWith('authorization: Bearer '))).toHaveLength(1)
  expect(headers.join()).not.toContain(stage.fill('{token}'))
  return headers.filter(
    line => !/^(?:host|authorization|connection|accept-encoding|content-length|transfer-encoding):/.test(line),
  )
}

/** An unrelated request on a new connection, which has to be served whatever the case left behind. */
async function follow(stage: Stage): Promise<string> {
  stage.upstream.answerPlainly()
  const client = await stage.writing(get('/after', 'Connection: close'))
  const got = await client.answer()
  expect([got.status, got.body]).toEqual([200, 'ok'])
  return got.headers.find(([name]) => name === 'valetkey-event')![1]
}

type Accesses = () => Promise<
  readonly {
    readonly id: string
    readonly type: string
    readonly outcome: string
    readonly of?: string | null | undefined
  }[]
>

/** The calls of a case on the record: each with one denial, or one permission and one outcome. */
async function onRecord(
  accesses: Accesses,
  known: ReadonlySet<string>,
  passed: string,
  expected: readonly Recorded[],
): Promise<void> {
  const mine = async () =>
    (await accesses()).filter(event => !known.has(event.id) && event.id !== passed && event.of !== passed)
  const told = async () => {
    const events = await mine()
    const allowed = events.filter(event => event.type === 'access.allowed')
    const completed = events.filter(event => event.type === 'access.completed')
    const denied = events.filter(event => event.type === 'access.denied').map(() => 'denied')
    const outcomes = allowed.map(event => {
      const own = completed.filter(({ of }) => of === event.id).map(({ outcome }) => outcome)
      return own.length === 1 ? own[0] : `${own.length} outcomes`
    })
    return [...denied, ...outcomes].toSorted()
  }
  // An `either` stands for what came first, the end of the answer or of the connection: both are true.
  const named = async () => {
    const left: Recorded[] = expected.filter(outcome => outcome !== 'either')
    return (await told()).map(outcome => {
      const at = left.indexOf(outcome as Recorded)
      if (at !== -1) left.splice(at, 1)
      return at !== -1 || (outcome !== 'ok' && outcome !== 'unknown') ? outcome : 'either'
    })
  }
  await expect
    .poll(async () => (await named()).toSorted(), { timeout: 5_000, interval: 20 })
    .toEqual([...expected].toSorted())
}
