import { PassThrough, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { EgressFailure, type StreamControl, type StreamHandler, type StreamRequest } from './egress.ts'
import { asEgressFailure } from './failure-kind.ts'

export interface CallOptions {
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  /** Runs synchronously in the same turn and right before undici writes the request to an open socket. */
  readonly beforeSend?: () => void
  /** Told once, when the call is over in any way and the pool holds nothing of it any more. */
  readonly onSettled: () => void
}

/** Informational answers (1xx) before an answer: more than a provider that reports its progress has to say. */
const mostInterim = 1_000

/**
 * One request on a pool with a handler of our own: no retry, no redirect, no decompression. undici calls
 * `onRequestStart` on an open connection in the same turn in which it writes, and writes nothing when it throws; that
 * is where `beforeSend` and an abort before the start are heard.
 */
export class Call implements StreamControl, Dispatcher.DispatchHandler {
  readonly #handler: StreamHandler
  readonly #options: CallOptions
  readonly #upload: Readable | Buffer | undefined
  #controller: Dispatcher.DispatchController | undefined
  #aborted: EgressFailure | undefined
  #sent = false
  #answered = false
  #isOver = false
  #interim = 0
  /** In undici's hands without a connection yet: it cannot be taken back, and is counted until undici lets it go. */
  #isQueued = false

  constructor(request: StreamRequest, handler: StreamHandler, options: CallOptions) {
    this.#handler = handler
    this.#options = options
    this.#upload = request.body === undefined || Buffer.isBuffer(request.body) ? request.body : shielded(request.body)
  }

  /** Hands the request to the pool. */
  start(pool: Dispatcher, request: StreamRequest): void {
    if (this.#isOver) return
    this.#isQueued = true
    try {
      pool.dispatch(
        {
          method: request.method,
          path: request.path,
          headers: request.headers as string[],
          body: this.#upload ?? null,
          headersTimeout: this.#options.headersTimeoutMs,
          bodyTimeout: this.#options.bodyTimeoutMs,
        },
        this,
      )
    } catch (error) {
      this.#isQueued = false
      this.fail(error)
    }
  }

  resume(): void {
    if (!this.#isOver) this.#controller?.resume()
  }

  abort(reason: string): void {
    this.abortWith(new EgressFailure('aborted', reason, this.#sent))
  }

  /** Cuts the call; the handler hears of this failure now, the connection is closed at once. */
  abortWith(failure: EgressFailure): void {
    if (this.#isOver) return
    this.#aborted = failure
    const controller = this.#controller
    this.fail(failure)
    controller?.abort(failure)
  }

  /** Ends the call with a failure, once. */
  fail(error: unknown): void {
    if (this.#isOver) return
    this.#settle()
    this.#handler.onFailure(asEgressFailure(error, this.#sent, this.#answered))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#aborted !== undefined) {
      this.#letGo()
      throw this.#aborted
    }
    this.#isQueued = false
    this.#options.beforeSend?.()
    this.#controller = controller
    this.#sent = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#isOver) return
    if (status < 200) {
      this.#interim++
      // Each one is a sign of life to undici, so that the head might be put off for ever.
      if (this.#interim > mostInterim) {
        this.abortWith(new EgressFailure('malformed', 'The provider sends informational answers without end.', true))
      }
      return
    }
    this.#answered = true
    this.#handler.onHead(status, asText(controller.rawHeaders))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return
    if (!this.#handler.onData(chunk)) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) return
    this.#settle()
    this.#handler.onEnd(asText(controller.rawTrailers))
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isOver) this.#letGo()
    else {
      this.#isQueued = false
      this.fail(error)
    }
  }

  #settle(): void {
    this.#isOver = true
    if (this.#upload !== undefined && !Buffer.isBuffer(this.#upload)) this.#upload.destroy()
    if (!this.#isQueued) this.#options.onSettled()
  }

  /** Of a call that was aborted before it got a connection. */
  #letGo(): void {
    if (!this.#isQueued) return
    this.#isQueued = false
    this.#options.onSettled()
  }
}

/**
 * undici destroys a request body when the answer is complete before the upload is. The body may be the very connection
 * on which that answer has to go back, so it gets a pipe of ours to destroy instead.
 */
function shielded(source: Readable): Readable {
  const pipe = new PassThrough()
  const cut = (why?: unknown) =>
    pipe.destroy(new EgressFailure('aborted', 'The upload ended before it was complete.', true, why))
  const onClose = () => {
    if (!source.readableEnded) cut()
  }
  source.on('error', cut).on('close', onClose)
  pipe.on('close', () => {
    source.unpipe(pipe)
    source.off('close', onClose)
  })
  // Nobody else may be listening when it is destroyed with the reason above.
  pipe.on('error', () => {})
  if (source.destroyed && !source.readableEnded) queueMicrotask(cut)
  else source.pipe(pipe)
  return pipe
}

/** Header bytes are latin1 on the wire (RFC 9110 section 5.5). */
function asText(raw: unknown): readonly string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) => (typeof part === 'string' ? part : part.toString('latin1')))
}
