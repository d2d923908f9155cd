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
  close(): Promise<void>
}

export interface ExchangeRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Runs synchronously right before the bytes go to the socket; throwing stops the request (lease age, P5). */
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
  /** Flat list: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body?: NodeJS.ReadableStream | Buffer
}

export interface StreamHandler {
  /** Informational answers (1xx) are not passed here. `rawHeaders` is a flat list. */
  onHead(status: number, rawHeaders: readonly string[]): void
  /** Return false to pause until `resume()`. */
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
  readonly kind: 'not_allowed' | 'unreachable' | 'timeout' | 'too_large' | 'cut' | 'aborted' | 'malformed'
  readonly sent: boolean
  constructor(kind: EgressFailure['kind'], message: string, sent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EgressFailure'
    this.kind = kind
    this.sent = sent
  }
}
