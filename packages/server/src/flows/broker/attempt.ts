import type { TenantId } from '../../core/ids.ts'
import type { Egress, EgressFailure, StreamControl, StreamHandler, StreamRequest } from '../../engines/egress/egress.ts'

export interface Head {
  readonly status: number
  /** Flat list, as it came. */
  readonly rawHeaders: readonly string[]
}

/** Where an answer goes once it may go on. */
export interface Outlet {
  /** Returns false to pause until `resume`. */
  data(chunk: Buffer): boolean
  end(rawTrailers: readonly string[]): void
  fail(failure: EgressFailure): void
}

/** How much of an answer is held while its record is on the way to the disk; then the provider has to wait. */
export const mostHeldBytes = 64 * 1024

/**
 * One request to the provider and its answer, which is held here until somebody says that it may go on: not before its
 * record is durable (P2), and not before it is known that it is no refusal of the token.
 */
export class Attempt implements StreamHandler {
  /** Rejects with an `EgressFailure` when no head came. */
  readonly head: Promise<Head>
  readonly #control: StreamControl
  #onHead: (head: Head) => void = () => {}
  #onNoHead: (failure: EgressFailure) => void = () => {}
  #held: Buffer[] = []
  #heldBytes = 0
  #end: readonly string[] | undefined
  #failure: EgressFailure | undefined
  #outlet: Outlet | undefined
  #isPaused = false
  #wake: () => void = () => {}

  constructor(egress: Pick<Egress, 'stream'>, tenant: TenantId, request: StreamRequest) {
    this.head = new Promise<Head>((resolve, reject) => {
      this.#onHead = resolve
      this.#onNoHead = reject
    })
    // Whoever gave the attempt up does not wait for its head any more.
    this.head.catch(() => {})
    this.#control = egress.stream(tenant, request, this)
  }

  /** Whether the provider may have got any byte of the request, as far as it is known when the attempt failed. */
  get failure(): EgressFailure | undefined {
    return this.#failure
  }

  /** The beginning of the body, held back: up to `most` bytes, and whether that is all of it. */
  async beginning(most: number): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
    while (this.#heldBytes < most && this.#end === undefined && this.#failure === undefined) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    return { bytes: Buffer.concat(this.#held).subarray(0, most), isWhole: this.#end !== undefined }
  }

  /** Lets the answer go on: first what was held, then what comes. */
  release(outlet: Outlet): void {
    this.#outlet = outlet
    const held = this.#held
    this.#held = []
    let mayGoOn = true
    for (const chunk of held) mayGoOn = outlet.data(chunk) && mayGoOn
    if (this.#end !== undefined) outlet.end(this.#end)
    else if (this.#failure !== undefined) outlet.fail(this.#failure)
    else if (mayGoOn) this.resume()
    else this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#control.resume()
  }

  abort(why: string): void {
    this.#control.abort(why)
  }

  onHead(status: number, rawHeaders: readonly string[]): void {
    this.#onHead({ status, rawHeaders })
  }

  onData(chunk: Buffer): boolean {
    let mayGoOn: boolean
    if (this.#outlet !== undefined) mayGoOn = this.#outlet.data(chunk)
    else {
      this.#held.push(chunk)
      this.#heldBytes += chunk.length
      this.#wake()
      mayGoOn = this.#heldBytes < mostHeldBytes
    }
    if (!mayGoOn) this.#isPaused = true
    return mayGoOn
  }

  onEnd(rawTrailers: readonly string[]): void {
    this.#end = rawTrailers
    this.#wake()
    this.#outlet?.end(rawTrailers)
  }

  onFailure(failure: EgressFailure): void {
    this.#failure = failure
    this.#onNoHead(failure)
    this.#wake()
    this.#outlet?.fail(failure)
  }
}
