import type { IncomingMessage } from 'node:http'

/** A request to the token endpoint that has the right outside; what it asks for is judged later. */
export interface TokenRequest {
  readonly kind: 'request'
  /** The body as it came. */
  readonly body: Buffer
  /** Who the request says it comes from, before anything is proved: the key of the rate limit and nothing else. */
  readonly claimedClient: string
}

/** Why a request is refused before anyone reads it, in the words of RFC 6749 section 5.2. */
export interface RefusedRequest {
  readonly kind: 'refused'
  readonly status: 400 | 405 | 413
  readonly description: string
}

// RFC 6749 sets no bound; a client assertion with a certificate chain is below 16 KiB.
/** The largest body of a request to the token endpoint, in bytes. */
export const longestBody = 64 * 1024

/**
 * Reads a token request and judges its form (RFC 6749 section 3.2): POST, form-encoded, nothing in the query, no parameter
 * twice, one Authorization field, one way of authentication (rows 31, 33).
 */
export async function readTokenRequest(
  request: IncomingMessage,
  authorization: readonly string[],
): Promise<TokenRequest | RefusedRequest> {
  if (request.method !== 'POST') return refused('the token endpoint takes POST only', 405)
  if (request.url?.includes('?')) return refused('parameters go into the body, never into the query')
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded *(; *charset *= *"?utf-8"? *)?$/i.test(type))
    return refused('the body must be application/x-www-form-urlencoded')
  if (request.headers['content-encoding'] !== undefined) return refused('the body must not be compressed')
  const body = await readBody(request)
  if (body === undefined) return refused('the body is too large', 413)
  const parameters = new URLSearchParams(body.toString('latin1'))
  const seen = new Set<string>()
  for (const [name] of parameters) {
    // Several resources are a question of what is asked (RFC 8707 section 2), and answered there.
    if (seen.has(name) && name !== 'resource') return refused(`parameter must not be given twice: ${printable(name)}`)
    seen.add(name)
  }
  if (authorization.length > 1) return refused('one Authorization header, not several')
  const ways = [authorization.length > 0, seen.has('client_secret'), seen.has('client_assertion')]
  if (ways.filter(Boolean).length > 1) return refused('client authentication must be provided in one way only')
  return { kind: 'request', body, claimedClient: claimedClient(authorization[0], parameters) }
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > longestBody) return undefined
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length
    if (size > longestBody) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

function claimedClient(authorization: string | undefined, parameters: URLSearchParams): string {
  const [, basic] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? []
  const claimed =
    basic !== undefined
      ? decoded(Buffer.from(basic, 'base64').toString('latin1').split(':')[0]!)
      : (subjectOf(parameters.get('client_assertion')) ?? parameters.get('client_id'))
  return (claimed ?? '').slice(0, 64)
}

/** As the library reads it (RFC 6749 section 2.3.1), so that no spelling of an id is counted apart from the others. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'))
  } catch {
    return text
  }
}

function subjectOf(assertion: string | null): string | undefined {
  try {
    const { sub } = JSON.parse(Buffer.from(assertion?.split('.')[1] ?? '', 'base64url').toString()) as { sub?: unknown }
    return typeof sub === 'string' ? sub : undefined
  } catch {
    return undefined
  }
}

function refused(description: string, status: RefusedRequest['status'] = 400): RefusedRequest {
  return { kind: 'refused', status, description }
}

/** RFC 6749 section 5.2 allows few characters in a description, and a parameter's name is the caller's own text. */
function printable(name: string): string {
  return name.replace(/[^A-Za-z0-9_.-]/g, '?').slice(0, 40)
}
