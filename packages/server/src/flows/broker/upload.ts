import { Readable } from 'node:stream'
import { Failure } from '../../core/failure.ts'
import type { CallPlace } from './call-room.ts'

/** A body larger than this is not kept to be sent a second time (CONTRACT 7). */
export const replayableBytes = 1024 * 1024

/** The longest silence of an uploading agent (row 98). */
export const silenceMs = 60_000

/**
 * The body of an agent's request on its way up. It is read once, with back-pressure, and may be opened again as long as
 * no more than 1 MiB of it went by: a call that met a worn-out token is sent again with a new one.
 */
export class Upload {
  readonly #chunks: AsyncIterator<Buffer> | undefined
  readonly #takeBody: () => void
  readonly #silenceMs: number
  readonly #room: Pick<CallPlace, 'keep' | 'drop'>
  #kept: Buffer[] = []
  /** How many chunks went by before the first that is kept. */
  #gone = 0
  #bytes = 0
  /** How often it was opened as a stream. */
  #opened = 0
  #isWhole: boolean
  #isReplayable = true
  /** How many chunks, from the first on, whoever reads now has taken. */
  #taken = 0
  /** Bytes of what is kept that count in the room of the process. */
  #counted = 0
  #pulling: Promise<void> | undefined

  /** `takeBody` is called once, before anything is read: it lets a client go on that waits for `100 Continue`. */
  constructor(
    source: Readable | undefined,
    takeBody: () => void = () => {},
    longestSilenceMs = silenceMs,
    room: Pick<CallPlace, 'keep' | 'drop'> = endless,
  ) {
    this.#room = room
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
    this.#taken = this.#gone
    return Readable.from(this.#read(this.#opened), { objectMode: false, highWaterMark: 64 * 1024 })
  }

  async *#read(mine: number): AsyncGenerator<Buffer> {
    for (let at = 0; ; ) {
      // One that was given up takes nothing away from its successor.
      while (mine === this.#opened && at < this.#gone + this.#kept.length) {
        const chunk = this.#kept[at - this.#gone]!
        at++
        this.#taken = at
        if (!this.#isReplayable) this.#forget(at - this.#gone)
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
    const isCounted = this.#room.keep(value.length)
    // What is on its way already may go on, only not a second time; what is still looked into has to wait.
    if (!isCounted && this.#opened === 0) throw noRoom()
    if (isCounted) this.#counted += value.length
    this.#kept.push(value)
    this.#bytes += value.length
    if (!isCounted || this.#bytes > replayableBytes) this.#stopKeeping()
  }

  /** From now on a chunk is held only until it is taken: one or two of them, whatever the size of the body. */
  #stopKeeping(): void {
    this.#isReplayable = false
    if (this.#opened > 0) this.#forget(this.#taken - this.#gone)
  }

  #forget(chunks: number): void {
    if (chunks <= 0) return
    const bytes = this.#kept.splice(0, chunks).reduce((sum, chunk) => sum + chunk.length, 0)
    this.#gone += chunks
    const counted = Math.min(bytes, this.#counted)
    this.#counted -= counted
    this.#room.drop(counted)
  }
}

const endless: Pick<CallPlace, 'keep' | 'drop'> = { keep: () => true, drop: () => {} }

function noRoom(): Failure {
  return new Failure('unavailable', 'Too many bodies are being held. Nothing was sent; try again in a second.', {
    retryAfterSeconds: 1,
  })
}

function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const tooLate = new Failure('validation_failed', 'The body stopped coming. Send the request again, whole.')
    timer = setTimeout(() => reject(tooLate), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
