import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Ending, fieldValue, parseChunked, parseHead, Wire } from './wire.ts'

/** A request as the provider read it. */
export interface Reached {
  readonly line: string
  /** Lower-case `name: value`, sorted: which order a transport writes them in is its own affair. */
  readonly headers: readonly string[]
  readonly framing: 'none' | 'length' | 'chunked'
  readonly body: string
  /** Bytes of it on the wire. */
  readonly length: number
}

/** One connection that the server opened to the provider: every byte of it, and hands to answer with. */
export class UpstreamConnection {
  readonly wire = new Wire()
  readonly socket: Socket
  /** How the server ended the connection, once it has. */
  ending: Ending | undefined
  /** Bytes of requests that a script has read. */
  #read = 0

  constructor(socket: Socket) {
    this.socket = socket
    const end = (ending: Ending) => {
      this.ending ??= ending
      this.wire.wake()
    }
    socket.on('data', chunk => this.wire.add(chunk as Buffer))
    socket.on('error', () => end('rst'))
    socket.on('end', () => end('fin'))
    socket.on('close', () => end('rst'))
  }

  /** The next head, without waiting for its body. */
  async head(): Promise<string> {
    return this.wire.until('a request head', text => {
      const head = parseHead(text.slice(this.#read))
      return head && text.slice(this.#read, this.#read + head.length)
    })
  }

  /** The next request, whole. */
  async request(): Promise<Reached> {
    const request = await this.wire.until('a whole request', text => parseRequest(text.slice(this.#read)))
    this.#read += request.length
    return request
  }

  /** Waits until the server ends the connection. */
  end(): Promise<Ending> {
    return this.wire.until('the end of the connection to the provider', () => this.ending)
  }

  /** The credential that came with the last head: what must not come back. */
  get credential(): string {
    return /authorization: Bearer (\S+)/i.exec(this.wire.text)?.[1] ?? ''
  }

  write(bytes: string | Buffer): boolean {
    return this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends FIN and still reads. */
  fin(bytes = ''): void {
    this.socket.end(Buffer.from(bytes, 'latin1'))
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }
}

export type Script = (connection: UpstreamConnection) => Promise<unknown> | unknown

/** What a provider answers when nothing special is asked of it. */
export const plainAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Answers every request with these bytes. */
export const answering =
  (bytes: string): Script =>
  async connection => {
    for (;;) {
      await connection.request()
      connection.write(bytes)
    }
  }

/** A raw TCP server in the place of a provider: it keeps exactly the bytes it got and answers exactly those of a script. */
export class ScriptedUpstream {
  readonly port: number
  /** Since the last `play`, oldest first; a connection kept from before stands in it too. */
  connections: UpstreamConnection[] = []
  #script: Script = answering(plainAnswer)
  readonly #close: () => Promise<void>
  /** What went wrong in scripts: a case looks here at its end. */
  readonly faults: unknown[] = []
  readonly #arrivals = new Wire()

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port
    this.#close = close
  }

  static async listen(): Promise<ScriptedUpstream> {
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const upstream = new ScriptedUpstream((server.address() as AddressInfo).port, async () => {
      upstream.reset()
      await new Promise(resolve => server.close(resolve))
    })
    server.on('connection', socket => {
      const connection = new UpstreamConnection(socket)
      upstream.connections.push(connection)
      upstream.#run(connection, upstream.#script)
      upstream.#arrivals.wake()
    })
    return upstream
  }

  /** The `index`th connection, as soon as it is there. */
  async connection(index = 0): Promise<UpstreamConnection> {
    return this.#arrivals.until(`connection ${index} to the provider`, () => this.connections[index])
  }

  /** All bytes that reached it. */
  get text(): string {
    return this.connections.map(connection => connection.wire.text).join('')
  }

  play(script: Script): void {
    this.#script = script
  }

  /** From now on every connection, also one left over from a case, answers what it is asked newly. */
  answerPlainly(): void {
    this.#script = answering(plainAnswer)
    for (const connection of this.connections) {
      if (connection.socket.destroyed || connection.socket.writableEnded) continue
      let mark = connection.wire.text.length
      connection.socket.on('data', () => {
        const head = parseHead(connection.wire.text.slice(mark))
        if (head === undefined) return
        mark = connection.wire.text.length
        connection.write(plainAnswer)
      })
    }
  }

  /** Forgets and closes every connection. */
  reset(): void {
    for (const connection of this.connections.splice(0)) connection.socket.destroy()
    this.faults.length = 0
  }

  close(): Promise<void> {
    return this.#close()
  }

  #run(connection: UpstreamConnection, script: Script): void {
    const start = async () => script(connection)
    start().catch((error: unknown) => {
      // A script that waits on a connection which ends has nothing left to do.
      if (!connection.socket.destroyed) this.faults.push(error)
    })
  }
}

/** The request at the beginning of `text`, strictly, or undefined while it is not complete. */
export function parseRequest(text: string): Reached | undefined {
  const head = parseHead(text)
  if (head === undefined) return undefined
  const length = fieldValue(head, 'content-length')
  const coding = fieldValue(head, 'transfer-encoding')
  if (length !== undefined && coding !== undefined) throw new Error('a request with two lengths reached the provider')
  const rest = text.slice(head.length)
  const headers = head.headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`).toSorted()
  const made = (framing: Reached['framing'], body: string, size: number): Reached => ({
    line: head.line,
    headers,
    framing,
    body,
    length: head.length + size,
  })
  if (coding !== undefined) {
    if (coding !== 'chunked') throw new Error(`the transfer coding ${coding} reached the provider`)
    const chunked = parseChunked(rest)
    if (chunked !== undefined && chunked.trailers.length > 0) throw new Error('trailers reached the provider')
    return chunked && made('chunked', chunked.body, chunked.length)
  }
  if (length === undefined) return made('none', '', 0)
  if (!/^\d{1,10}$/.test(length)) throw new Error(`the length ${length} reached the provider`)
  const size = Number(length)
  return rest.length < size ? undefined : made('length', rest.slice(0, size), size)
}
