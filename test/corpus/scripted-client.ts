import { connect, type Socket } from 'node:net'
import { type Ending, fieldValue, parseChunked, parseHead, Wire } from './wire.ts'

/** An answer as the client read it. */
export interface Got {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly framing: 'none' | 'length' | 'chunked' | 'close'
  readonly body: string
  readonly trailers: readonly string[]
  /** Statuses of informational answers before it. */
  readonly interim: readonly number[]
}

/** A raw TCP client: writes bytes as they are, and reads strictly what comes back. */
export class ScriptedClient {
  readonly wire = new Wire()
  readonly socket: Socket
  /** How the server ended the connection, once it has. */
  ending: Ending | undefined
  #read = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => this.wire.add(chunk as Buffer))
    const end = (ending: Ending) => {
      this.ending ??= ending
      this.wire.wake()
    }
    socket.on('end', () => {
      end('fin')
      socket.end()
    })
    socket.on('error', () => end('rst'))
    socket.on('close', () => end('rst'))
  }

  static open(port: number): Promise<ScriptedClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new ScriptedClient(socket))
      })
    })
  }

  write(bytes: string | Buffer): boolean {
    return this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends FIN and still reads. */
  fin(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until the server ends the connection. */
  end(): Promise<Ending> {
    return this.wire.until('the end of the connection', () => this.ending)
  }

  /** What came and was not read as an answer yet. */
  get unread(): string {
    return this.wire.text.slice(this.#read)
  }

  /** The head of the next answer, as soon as it is there. */
  async head(): Promise<string> {
    return this.wire.until('the head of an answer', text => {
      const head = parseHead(text.slice(this.#read))
      return head && text.slice(this.#read, this.#read + head.length)
    })
  }

  /** The next answer, whole. Throws when the connection ends before it is: then nobody could take it for whole. */
  async answer(method = 'GET'): Promise<Got> {
    const found = await this.wire.until('a whole answer', text => {
      const parsed = parseAnswer(text.slice(this.#read), method, this.ending)
      if (parsed === undefined && this.ending !== undefined) throw new Error(`the answer broke off: ${this.ending}`)
      return parsed
    })
    this.#read += found.length
    return found.got
  }

  /** Whether the answer broke off, so that a client must see an error. */
  async brokeOff(method = 'GET'): Promise<boolean> {
    return this.answer(method).then(
      () => false,
      error => {
        if (/broke off/.test((error as Error).message)) return true
        throw error
      },
    )
  }
}

function parseAnswer(
  text: string,
  method: string,
  ending: Ending | undefined,
): { readonly got: Got; readonly length: number } | undefined {
  const interim: number[] = []
  for (let at = 0; ; ) {
    const head = parseHead(text.slice(at))
    if (head === undefined) return undefined
    const match = /^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7e]*$/.exec(head.line)
    if (match === null) throw new Error(`no status line: ${JSON.stringify(head.line)}`)
    const status = Number(match[1])
    at += head.length
    if (status < 200) {
      interim.push(status)
      continue
    }
    const rest = text.slice(at)
    const made = (framing: Got['framing'], body: string, size: number, trailers: string[] = []) => ({
      got: { status, headers: head.headers, framing, body, trailers, interim },
      length: at + size,
    })
    const length = fieldValue(head, 'content-length')
    const coding = fieldValue(head, 'transfer-encoding')
    if (length !== undefined && coding !== undefined) throw new Error('an answer with two lengths')
    if (method === 'HEAD' || status === 204 || status === 304) return made('none', '', 0)
    if (coding !== undefined) {
      if (coding !== 'chunked') throw new Error(`the transfer coding ${coding}`)
      const chunked = parseChunked(rest)
      const trailers = chunked?.trailers.map(([name, value]) => `${name}: ${value}`)
      return chunked && made('chunked', chunked.body, chunked.length, trailers)
    }
    if (length !== undefined) {
      if (!/^\d{1,15}$/.test(length)) throw new Error(`the length ${length}`)
      return rest.length < Number(length) ? undefined : made('length', rest.slice(0, Number(length)), Number(length))
    }
    // Without a length the answer is what came until an orderly end (RFC 9112 section 6.3).
    return ending === 'fin' ? made('close', rest, rest.length) : undefined
  }
}
