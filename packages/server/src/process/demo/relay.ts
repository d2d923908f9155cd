import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Listener } from '@valetkey/test-provider/http/listener'

/** One call that reached an emulator. */
export interface SeenCall {
  readonly method: string
  readonly path: string
  /** The bearer token that came along, if any. */
  readonly bearer?: string
}

/** What stands in front of an emulator and writes down what it hands out: emulators keep no list of their tokens. */
export interface Relay {
  readonly origin: string
  readonly calls: readonly SeenCall[]
  /** Every token that a token answer held. */
  readonly issued: ReadonlySet<string>
  /** The emulator may start later than its address is known. */
  forwardTo(origin: string): void
  close(): Promise<void>
}

const tokenMembers = new Set(['access_token', 'refresh_token', 'id_token'])
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length', 'expect'])

/** Passes everything on, and notes calls and tokens. Bodies are small here: they are held whole. */
export function relayOn(listener: Listener): Relay {
  const calls: SeenCall[] = []
  const issued = new Set<string>()
  let upstream: string | undefined

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(`${upstream}${request.url ?? '/'}`)
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    calls.push({ method: request.method ?? '', path: url.pathname, ...(bearer !== undefined && { bearer }) })
    const chunks: Uint8Array<ArrayBuffer>[] = []
    for await (const chunk of request) chunks.push(chunk)
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers))
      if (value !== undefined && !hopByHop.has(name)) headers.set(name, String(value))
    const answer = await fetch(url, {
      method: request.method ?? 'GET',
      headers,
      redirect: 'manual',
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    const body = Buffer.from(await answer.arrayBuffer())
    if (request.method === 'POST' && /json/.test(answer.headers.get('content-type') ?? ''))
      for (const token of tokensIn(body.toString())) issued.add(token)
    response.writeHead(
      answer.status,
      [...answer.headers].flatMap(([name, value]) => (hopByHop.has(name) ? [] : [name, value])),
    )
    response.end(body)
  }

  listener.mount('', (request, response) => {
    pass(request, response).catch((error: unknown) => {
      response.writeHead(502, { 'content-type': 'text/plain' })
      response.end(`the emulator behind the relay gave no answer: ${error}`)
    })
  })
  return {
    origin: listener.origin,
    calls,
    issued,
    forwardTo(origin) {
      upstream = origin
    },
    close: () => listener.close(),
  }
}

/** The token members of a JSON answer, at any depth: Slack nests the person's token. */
export function tokensIn(json: string): string[] {
  const found: string[] = []
  try {
    JSON.parse(json, (name, value: unknown) => {
      if (tokenMembers.has(name) && typeof value === 'string' && value !== '') found.push(value)
      return value
    })
  } catch {
    return []
  }
  return found
}
