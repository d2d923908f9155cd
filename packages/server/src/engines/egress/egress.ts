import type { Readable } from 'node:stream'
import type { TenantId } from '../../core/ids.ts'

/**
 * The one door out. It knows where bytes may go: https to public addresses, and what the operator listed for that
 * tenant; the address is checked on the resolved data at connect. No redirect is followed (RFC 9700 section 4.11).
 */
export interface Egress {
  /** A small request of ours (token endpoint, discovery, account identity): the whole answer, capped in size and time. */
  exchange(tenant: TenantId, request: ExchangeRequest): Promise<ExchangeAnswer>
  /** One brokered call: streams both ways with back-pressure; `abort` cuts it at once. */
  stream(tenant: TenantId, request: StreamRequest, handler: StreamHandler): StreamControl
  /** Whether the guard would let a call to this URL go, judged without connecting (name form, port and list only). */
  mayReach(tenant: TenantId, url: URL): Promise<{ readonly ok: true } | { readonly ok: false; readonly why: string }>
  /**
   * A listener of ours or the database: from now on no call reaches it, even when listed. `host` as it was bound or
   * configured (`0.0.0.0` and `::` stand for every address of the machine).
   */
  deny(host: string, port: number): void
  /** Cuts what is under way and closes every connection. */
  close(): Promise<void>
}

export interface ExchangeRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly maxBytes: number
  /**
   * Runs synchronously right before the bytes go to the socket, on an open connection; throwing stops the request and
   * is what `exchange` rejects with (lease age, P5).
   */
  readonly beforeSend?: () => void
}

export interface ExchangeAnswer {
  readonly status: number
  /** Names in lower case; repeated headers joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface StreamRequest {
  readonly method: string
  /** Target origin, `https://host[:port]`. */
  readonly origin: string
  /** Path and query, byte for byte. */
  readonly path: string
  /** Flat list: name, value, name, value. `host`, `connection` and other transport headers are ours alone. */
  readonly headers: readonly string[]
  /** A stream is read with back-pressure and never destroyed here: it may be the client's own connection. */
  readonly body?: Readable | Buffer
  /** Whose share of the connections to the origin this takes: a connection's id. Without one it never waits. */
  readonly party?: string
}

export interface StreamHandler {
  /** Informational answers (1xx) are not passed here. `rawHeaders` is a flat list. */
  onHead(status: number, rawHeaders: readonly string[]): void
  /** Return false to pause until `resume()`. What had already arrived may still be delivered after that. */
  onData(chunk: Buffer): boolean
  onEnd(rawTrailers: readonly string[]): void
  /** `sent`: whether any byte of the request may have reached the provider. */
  onFailure(failure: EgressFailure): void
}

export interface StreamControl {
  resume(): void
  abort(reason: string): void
}

/** Why a request could not be made or finished. The message names no secret and no resolved address to the caller. */
export class EgressFailure extends Error {
  readonly kind: 'not_allowed' | 'unreachable' | 'timeout' | 'too_large' | 'cut' | 'aborted' | 'malformed' | 'busy'
  readonly sent: boolean
  constructor(kind: EgressFailure['kind'], message: string, sent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EgressFailure'
    this.kind = kind
    this.sent = sent
  }
}
