import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { RecordedRequest } from './request-log.ts'

/** The endpoints that faults and holds name. */
export const endpointNames = [
  'authorize',
  'token',
  'userinfo',
  'revoke',
  'introspect',
  'discovery',
  'jwks',
  'api',
] as const
export type EndpointName = (typeof endpointNames)[number]

/** One request, read to its end, as a handler sees it. */
export interface Exchange {
  readonly method: string
  /** Percent-encoded as received, without the provider's path prefix and without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** The first 8 MiB of the body; `record.bodyBytes` and `record.bodySha256` speak of all of it. */
  readonly body: Buffer
  readonly record: RecordedRequest
}

/** What a handler answers. Either `body`, or `stream` that writes and ends by itself. */
export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  readonly stream?: (response: ServerResponse, gone: AbortSignal) => Promise<void>
}

export type Handler = (exchange: Exchange, params: Readonly<Record<string, string>>) => Answer | Promise<Answer>

/** A JSON answer. */
export function json(status: number, value: unknown, headers: Answer['headers'] = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) }
}

/** An answer without a body. */
export function empty(status: number, headers: Answer['headers'] = {}): Answer {
  return { status, headers }
}

/** A plain HTML page that may not be framed, cached or leak its address (RFC 9700 section 4.16). */
export function page(status: number, title: string, body: string): Answer {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title></head><body><main><h1>${escapeHtml(title)}</h1>
${body}
</main></body></html>`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    },
    body: html,
  }
}

/** Text made safe for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

/** The JSON object in a body, or nothing when it is not one. */
export function jsonObject(exchange: Exchange): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(exchange.body.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
