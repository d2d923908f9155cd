import type { IncomingHttpHeaders } from 'node:http'
import type { EndpointName } from './exchange.ts'

/** One request the provider received, refused ones included. */
export interface RecordedRequest {
  readonly method: string
  /** Without the provider's path prefix and without the query. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Path and query as they stood in the request line. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** Which endpoint it reached; nothing for an unknown path. */
  readonly endpoint?: EndpointName
  /** The provider's time of arrival in milliseconds. */
  readonly time: number
  /** The first 64 KiB of the body as text. */
  body: string
  bodyBytes: number
  bodySha256: string
  /** The answer's status; nothing while it is unanswered or when a fault dropped it. */
  status?: number
  /** The user whose token was accepted. */
  user?: string
  /** The fault that was applied. */
  fault?: string
  /** Bytes of the body that were written to the socket. */
  bytesSent: number
  /** The client went away before the answer was complete. */
  wasAborted: boolean
  /** Fulfils when the answer was written or the connection ended. */
  readonly finished: Promise<void>
}

/** Every request in order of arrival; an ordinary array with filters. */
export interface RequestLog extends Array<RecordedRequest> {
  /**
   * The requests to an endpoint name (`token`), a path (`/token`, matched whole or at its end) or a pattern; with a
   * method only those.
   */
  to(where: string | RegExp, method?: string): RecordedRequest[]
  /** Adds a request; the oldest tenth goes when the limit is passed. */
  record(request: RecordedRequest): void
  /** Forgets what was recorded so far. */
  clear(): void
}

/** An empty log that keeps at most so many requests. */
export function createRequestLog(limit: number): RequestLog {
  const log: RecordedRequest[] = []
  const matches = (request: RecordedRequest, where: string | RegExp) => {
    if (where instanceof RegExp) return where.test(request.path)
    if (where.startsWith('/')) return request.path === where || request.path.endsWith(where)
    return request.endpoint === where
  }
  return Object.defineProperties(log, {
    to: {
      value: (where: string | RegExp, method?: string) =>
        log.filter(request => matches(request, where) && (method === undefined || request.method === method)),
    },
    record: {
      value: (request: RecordedRequest) => {
        if (log.push(request) > limit) log.splice(0, Math.ceil(limit / 10))
      },
    },
    clear: { value: () => void log.splice(0) },
  }) as RequestLog
}
