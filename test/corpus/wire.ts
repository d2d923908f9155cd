/** A deadline for what a scripted end waits for: a case that hangs says what was missing. */
export const longestWaitMs = 5_000

/** Text of raw bytes (latin1) that grows, and those who wait for something in it. */
export class Wire {
  text = ''
  #wakes: (() => void)[] = []

  add(chunk: Buffer): void {
    this.text += chunk.toString('latin1')
    this.wake()
  }

  wake(): void {
    for (const wake of this.#wakes.splice(0)) wake()
  }

  /** Waits until `found` gives something; `what` is for the message of a wait in vain. */
  async until<T>(what: string, found: (text: string) => T | undefined): Promise<T> {
    const endsAt = performance.now() + longestWaitMs
    for (;;) {
      const value = found(this.text)
      if (value !== undefined) return value
      const left = endsAt - performance.now()
      if (left <= 0) throw new Error(`waited in vain for ${what}; so far: ${JSON.stringify(this.text.slice(-600))}`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.#wakes.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}

/** How a connection ended, seen from here: orderly, or broken. */
export type Ending = 'fin' | 'rst'

export interface Fields {
  readonly line: string
  /** As they came, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Length of the head with its empty line. */
  readonly length: number
}

/** The head at the beginning of `text`, strictly (RFC 9112 section 2), or undefined while it is not complete. */
export function parseHead(text: string): Fields | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [line = '', ...fields] = text.slice(0, end).split('\r\n')
  return { line, headers: fields.map(fieldOf), length: end + 4 }
}

function fieldOf(text: string): readonly [string, string] {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(text)
  if (match === null) throw new Error(`no header field: ${JSON.stringify(text)}`)
  return [match[1]!, match[2]!]
}

export function fieldValue(fields: Fields, name: string): string | undefined {
  const values = fields.headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value)
  if (values.length > 1) throw new Error(`${name} stands ${values.length} times`)
  return values[0]
}

export interface Chunked {
  readonly body: string
  readonly trailers: readonly (readonly [name: string, value: string])[]
  readonly length: number
}

/** A chunked body, strictly and without extensions (RFC 9112 section 7.1), or undefined while it is not complete. */
export function parseChunked(text: string): Chunked | undefined {
  let body = ''
  for (let at = 0; ; ) {
    const eol = text.indexOf('\r\n', at)
    if (eol === -1) return undefined
    const digits = text.slice(at, eol)
    if (!/^[0-9a-fA-F]{1,8}$/.test(digits)) throw new Error(`no chunk size: ${JSON.stringify(digits.slice(0, 40))}`)
    const size = Number.parseInt(digits, 16)
    at = eol + 2
    if (size > 0) {
      if (text.length < at + size + 2) return undefined
      body += text.slice(at, at + size)
      if (text.slice(at + size, at + size + 2) !== '\r\n') throw new Error('a chunk does not end where it says')
      at += size + 2
      continue
    }
    if (text.startsWith('\r\n', at)) return { body, trailers: [], length: at + 2 }
    const end = text.indexOf('\r\n\r\n', at)
    if (end === -1) return undefined
    return { body, trailers: text.slice(at, end).split('\r\n').map(fieldOf), length: end + 4 }
  }
}
