import { Readable } from 'node:stream'
import { Failure } from '../../core/failure.ts'

/** A body larger than this is not kept to be sent a second time (CONTRACT 7). */
export const replayableBytes = 1024 * 1024

/** The longest silence of an uploading agent (row 98). */
const silenceMs = 60_000

/**
 * The body of an agent's request on its way up. It is read once, with back-pressure, and may be opened again as long as
 * no more than 1 MiB of it went by: a call that met a worn-out token is sent again with a new one.
 */
export class Upload {
  readonly #chunks: AsyncIterator<Buffer> | undefined
  readonly #takeBody: () => void
  readonly #silenceMs: number
  #kept: Buffer[] = []
  /** How many chunks went by before the first that is kept. */
  #gone = 0
  #bytes = 0
  /** How often it was opened as a stream. */
  #opened = 0
  #isWhole: boolean
  #isReplayable = true
  #pulling: Promise<void> | undefined

  /** `takeBody` is called once, before anything is read: it lets a client go on that waits for `100 Continue`. */
  constructor(source: Readable | undefined, takeBody: () => void = () => {}, longestSilenceMs = silenceMs) {
    this.#silenceMs = longestSilenceMs
    this.#chunks = source?.iterator({ destroyOnReturn: false })
    this.#isWhole = source === undefined
    this.#takeBody = takeBody
  }

  /** Whether what was opened before can be opened again from its beginning. */
  get isReplayable(): boolean {
    return this.#isReplayable
  }

  /** Bytes read so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** The first bytes: `wanted` of them or more, less only if that is all. */
  async beginning(wanted: number): Promise<Buffer> {
    while (!this.#isWhole && this.#bytes < wanted) await this.#pull()
    return Buffer.concat(this.#kept)
  }

  /** All of it, or undefined as soon as it is larger than `most`. */
  async whole(most: number): Promise<Buffer | undefined> {
    while (!this.#isWhole && this.#bytes <= most) await this.#pull()
    if (this.#bytes > most) return undefined
    const body = Buffer.concat(this.#kept)
    this.#kept = body.length === 0 ? [] : [body]
    return body
  }

  /** The body for one request: nothing, the bytes if all were read, else a stream. */
  open(): Readable | Buffer | undefined {
    if (this.#isWhole && this.#isReplayable) return this.#bytes === 0 ? undefined : Buffer.concat(this.#kept)
    this.#opened++
    return Readable.from(this.#read(this.#opened), { objectMode: false, highWaterMark: 64 * 1024 })
  }

  async *#read(mine: number): AsyncGenerator<Buffer> {
    for (let at = 0; ; ) {
      // One that was given up takes nothing away from its successor.
      while (mine === this.#opened && at < this.#gone + this.#kept.length) {
        const chunk = this.#kept[at - this.#gone]!
        at++
        if (!this.#isReplayable) {
          this.#kept.splice(0, at - this.#gone)
          this.#gone = at
        }
        yield chunk
      }
      if (this.#isWhole || mine !== this.#opened) return
      await this.#pull()
    }
  }

  /** Whoever reads next shares the read under way, so that a chunk is never lost to a request that was given up. */
  #pull(): Promise<void> {
    this.#pulling ??= this.#next().finally(() => {
      this.#pulling = undefined
    })
    return this.#pulling
  }

  async #next(): Promise<void> {
    if (this.#bytes === 0) this.#takeBody()
    const { done, value } = await withinTime(this.#chunks!.next(), this.#silenceMs)
    if (done === true) {
      this.#isWhole = true
      return
    }
    this.#kept.push(value)
    this.#bytes += value.length
    if (this.#bytes > replayableBytes) this.#isReplayable = false
  }
}

function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const tooLate = new Failure('validation_failed', 'The body stopped coming. Send the request again, whole.')
    timer = setTimeout(() => reject(tooLate), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
