import { brotliDecompressSync, createBrotliDecompress, createGunzip, gunzipSync } from 'node:zlib'
import type { Coding } from '../../core/request/content-codings.ts'
import type { Needles } from '../../core/scrub/needles.ts'

/** Why a compressed body may not go on. */
export type InflatedFault = 'secret' | 'bomb' | 'malformed' | 'no_room'

/**
 * The sender of a body says how far back its inflater has to remember: 32 KiB for gzip, up to 16 MiB for brotli. So much
 * is kept for all bodies of this process at once, and no more.
 */
export const mostWindowBytes = 512 * 1024 * 1024
let windowBytes = 0

/** This much may come of any few bytes. */
export const freeBytes = 4 * 1024 * 1024
/**
 * Past that, a body may inflate to so many times its size. JSON and text stay below 50; deflate reaches 1,032, brotli far
 * more, and whoever sends such a thing costs us and the agent what it does not cost them.
 */
export const mostRatio = 128

/** So many bytes of a secret have to stand in the compressed bytes themselves before they are held for that. */
const rawDoubt = 4

/** A body up to this size is looked into at once: a thread costs ten times what it takes. */
export const atOnceBytes = 16 * 1024
const mostAtOnce = 256 * 1024

/** As the watch below, for a short body that is whole; `larger` when it inflates to more than is done at once. */
export function lookAtOnce(coding: Coding, needles: Needles, body: Buffer): InflatedFault | 'larger' | undefined {
  if (body.length === 0) return undefined
  try {
    const inflate = coding === 'gzip' ? gunzipSync : brotliDecompressSync
    // With `info` the engine comes along and tells how much of the body it read; the types of Node do not know it yet.
    const { buffer, engine } = inflate(body, { maxOutputLength: mostAtOnce, info: true }) as unknown as {
      readonly buffer: Buffer
      readonly engine: { readonly bytesWritten: number }
    }
    if (needles.find(buffer).length > 0 || needles.find(body).length > 0) return 'secret'
    return body.subarray(engine.bytesWritten).some(byte => byte !== 0) ? 'malformed' : undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'larger' : 'malformed'
  }
}

/**
 * Looks into a compressed body while it passes as it is: what it inflates to is searched and thrown away, chunk by chunk,
 * and so are the compressed bytes themselves, where a header or a gap may hold text. Every member of a gzip file counts;
 * behind the last one nothing may follow but padding, for no two readers agree about it. The work is done on threads of
 * the system; what is kept is one window.
 */
export class InflatedWatch {
  readonly #coding: Coding
  readonly #needles: Needles
  readonly #inflater: ReturnType<typeof createGunzip> | ReturnType<typeof createBrotliDecompress>
  #tail: Buffer = Buffer.alloc(0)
  #rawTail: Buffer = Buffer.alloc(0)
  #fed = 0
  #inflated = 0
  #window = 0
  #isOver = false
  #fault: InflatedFault | undefined
  #wake: () => void = () => {}

  constructor(coding: Coding, needles: Needles) {
    this.#coding = coding
    this.#needles = needles
    this.#inflater = coding === 'gzip' ? createGunzip() : createBrotliDecompress()
    this.#inflater.on('data', (out: Buffer) => this.#look(out))
    this.#inflater.on('error', () => this.#stop('malformed'))
  }

  /** How much came out so far. */
  get inflated(): number {
    return this.#inflated
  }

  /** Where, in what came out, an ending begins that may be the beginning of a secret; `inflated` if there is none. */
  get safeUntil(): number {
    return this.#rawTail.length >= rawDoubt ? -1 : this.#inflated - this.#tail.length
  }

  /** Looks into the next bytes. One at a time. */
  async check(chunk: Buffer): Promise<InflatedFault | undefined> {
    if (this.#fed === 0 && chunk.length > 0) this.#takeWindow(chunk[0]!)
    this.#fed += chunk.length
    this.#rawTail = this.#search(this.#rawTail, chunk)
    if (this.#fault !== undefined || chunk.length === 0) return this.#fault
    if (!this.#isOver) {
      await this.#step(done => this.#inflater.write(chunk, done))
      if (this.#fault !== undefined) return this.#fault
    }
    const left = Math.min(chunk.length, this.#fed - this.#inflater.bytesWritten)
    if (left > 0) {
      this.#isOver = true
      if (chunk.subarray(chunk.length - left).some(byte => byte !== 0)) this.#stop('malformed')
    }
    return this.#fault
  }

  /** Whether the body was whole: one that breaks off inside is none. */
  async finish(): Promise<InflatedFault | undefined> {
    // An answer without a body may still name a coding.
    if (this.#fed > 0 && !this.#isOver && this.#fault === undefined) {
      await this.#step(done => {
        this.#inflater.once('end', done)
        this.#inflater.end()
      })
    }
    this.close()
    return this.#fault
  }

  close(): void {
    this.#inflater.destroy()
    windowBytes -= this.#window
    this.#window = 0
    this.#wake()
  }

  #step(work: (done: () => void) => void): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      work(resolve)
    })
  }

  #takeWindow(firstByte: number): void {
    const window = this.#coding === 'gzip' ? 48 * 1024 : brotliWindow(firstByte)
    if (windowBytes + window > mostWindowBytes) this.#stop('no_room')
    else {
      this.#window = window
      windowBytes += window
    }
  }

  #stop(fault: InflatedFault): void {
    this.#fault ??= fault
    this.close()
  }

  #look(out: Buffer): void {
    if (this.#fault !== undefined) return
    this.#inflated += out.length
    if (this.#inflated > freeBytes && this.#inflated > this.#fed * mostRatio) this.#stop('bomb')
    else this.#tail = this.#search(this.#tail, out)
  }

  /** The ending of both together that may be the beginning of a secret. */
  #search(tail: Buffer, next: Buffer): Buffer {
    const data = tail.length === 0 ? next : Buffer.concat([tail, next])
    if (this.#needles.find(data).length > 0) this.#stop('secret')
    return Buffer.from(data.subarray(this.#needles.beginning(data)))
  }
}

/** RFC 7932 section 9.1. */
function brotliWindow(firstByte: number): number {
  if ((firstByte & 1) === 0) return 1 << 16
  const high = (firstByte >> 1) & 7
  if (high !== 0) return 1 << (17 + high)
  const low = (firstByte >> 4) & 7
  return 1 << (low === 0 ? 17 : 8 + low)
}
