import {
  type Egress,
  EgressFailure,
  type ExchangeAnswer,
  type ExchangeRequest,
  type StreamHandler,
  type StreamRequest,
} from './egress.ts'

/** How an exchange starts its call: given the request in stream form, the handler and what to run before the write. */
export type StartCall = (
  request: StreamRequest,
  handler: StreamHandler,
  beforeSend?: () => void,
) => { abortWith(failure: EgressFailure): void }

/**
 * One small request of ours with the whole answer in memory: capped in bytes and in time from first to last. Encoded
 * answers are not asked for and not taken, so that nothing can inflate (row 21).
 */
export function runExchange(request: ExchangeRequest, startCall: StartCall): ReturnType<Egress['exchange']> {
  return new Promise<ExchangeAnswer>((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let status = 0
    let headers: Record<string, string> = {}
    let sent = false
    let stopped: { readonly error: unknown } | undefined
    const stop = (kind: EgressFailure['kind'], message: string) =>
      call.abortWith(new EgressFailure(kind, message, sent))
    const tooLarge = () => stop('too_large', `The answer is larger than ${request.maxBytes} bytes.`)
    const timer = setTimeout(
      () => stop('timeout', `No whole answer within ${request.timeoutMs} ms.`),
      request.timeoutMs,
    )
    const handler: StreamHandler = {
      onHead(code, rawHeaders) {
        status = code
        headers = joined(rawHeaders)
        const encoding = headers['content-encoding']?.trim().toLowerCase()
        if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
          stop('malformed', 'The answer is compressed although that was not asked for.')
        } else if (request.method !== 'HEAD' && Number(headers['content-length'] ?? 0) > request.maxBytes) tooLarge()
      },
      onData(chunk) {
        size += chunk.length
        if (size > request.maxBytes) tooLarge()
        else chunks.push(chunk)
        return true
      },
      onEnd() {
        clearTimeout(timer)
        resolve({ status, headers, body: Buffer.concat(chunks) })
      },
      onFailure(failure) {
        clearTimeout(timer)
        reject(stopped === undefined ? failure : stopped.error)
      },
    }
    const call = startCall(inStreamForm(request), handler, () => {
      try {
        request.beforeSend?.()
      } catch (error) {
        stopped = { error }
        throw error
      }
      sent = true
    })
  })
}

function inStreamForm(request: ExchangeRequest): StreamRequest {
  const url = URL.parse(request.url)
  const headers = Object.entries(request.headers).flat()
  const names = new Set(Object.keys(request.headers).map(name => name.toLowerCase()))
  if (!names.has('accept-encoding')) headers.push('accept-encoding', 'identity')
  if (!names.has('user-agent')) headers.push('user-agent', 'valetkey')
  return {
    method: request.method,
    // What is no URL is refused by the guard, with the words for it. User information stays in, to be refused too.
    origin: url === null ? request.url : `${url.protocol}//${userinfo(url)}${url.host}`,
    path: url === null ? '/' : `${url.pathname}${url.search}`,
    headers,
    ...(request.body !== undefined && { body: Buffer.from(request.body) }),
  }
}

function userinfo(url: URL): string {
  return url.username === '' && url.password === '' ? '' : 'user@'
}

function joined(rawHeaders: readonly string[]): Record<string, string> {
  const out: Record<string, string> = Object.create(null)
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    out[name] = name in out ? `${out[name]}, ${rawHeaders[i + 1]!}` : rawHeaders[i + 1]!
  }
  return out
}
