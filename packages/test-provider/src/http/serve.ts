import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProviderClock } from '../clock.ts'
import type { Fault, FaultKind, FaultScript } from '../faults.ts'
import { type Answer, type Exchange, json } from './exchange.ts'
import type { RecordedRequest, RequestLog } from './request-log.ts'
import { matchRoute, type Route } from './routes.ts'

const keptForHandlers = 8 * 1024 * 1024
const keptAsText = 64 * 1024
/** The faults that end the connection from this side: then the client did not go away. */
const cutting = new Set<string>(['drop_before', 'drop_after', 'half_answer'] satisfies FaultKind[])

/** What serving a request needs. */
export interface ServeParts {
  readonly clock: ProviderClock
  readonly log: RequestLog
  readonly faults: FaultScript
  readonly routes: readonly Route[]
  /** 404 and 405 in the surface's own words. */
  refuse(status: 404 | 405, exchange: Exchange): Answer
  /** Aborted when the provider closes. */
  readonly closed: AbortSignal
}

/** Records, applies the script, calls the handler and writes its answer. */
export async function serve(
  parts: ServeParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  queryText: string,
): Promise<void> {
  const method = request.method ?? 'GET'
  const match = matchRoute(parts.routes, method, path)
  const endpoint = match.kind === 'found' ? match.route.endpoint : match.kind === 'unknown' ? undefined : match.endpoint
  const query = new URLSearchParams(queryText)
  const finished = Promise.withResolvers<void>()
  const gone = new AbortController()
  const record: RecordedRequest = {
    method,
    path,
    query: Object.fromEntries(query),
    target: request.url ?? '/',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    ...(endpoint !== undefined && { endpoint }),
    time: parts.clock.now(),
    body: '',
    bodyBytes: 0,
    bodySha256: '',
    bytesSent: 0,
    wasAborted: false,
    finished: finished.promise,
  }
  parts.log.record(record)
  response.once('close', () => {
    record.wasAborted = !response.writableFinished && !cutting.has(record.fault ?? '')
    gone.abort()
    finished.resolve()
  })

  try {
    const body = await readBody(request, record)
    if (body === undefined) return
    const exchange: Exchange = {
      method,
      path,
      query,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body,
      record,
    }
    const fault = parts.faults.take(endpoint, record)
    if (fault !== undefined) record.fault = fault.kind
    await parts.faults.pass(endpoint, 'before', record)
    if (fault?.kind === 'delay') await sleep(fault.ms, undefined, { signal: parts.closed })
    if (fault?.kind === 'drop_before') return void request.socket.destroy()
    const answer = await answerOf(parts, match, exchange, fault)
    await parts.faults.pass(endpoint, 'after', record)
    if (fault?.kind === 'drop_after') return void request.socket.destroy()
    const slowed = fault?.kind === 'trickle' ? trickled(answer, fault.ms ?? 0) : answer
    await write(request, response, record, slowed, fault?.kind === 'half_answer', gone.signal)
  } catch (error) {
    if (parts.closed.aborted || gone.signal.aborted) return
    if (response.headersSent) return void request.socket.destroy()
    // A defect of this package must not look like an answer of the provider under test.
    await write(
      request,
      response,
      record,
      json(500, { error: 'test_provider_defect', error_description: String(error) }),
      false,
      gone.signal,
    )
  }
}

async function answerOf(
  parts: ServeParts,
  match: ReturnType<typeof matchRoute>,
  exchange: Exchange,
  fault: Fault | undefined,
): Promise<Answer> {
  if (fault?.kind === 'status') return replaced({ status: 503 }, fault, exchange.record)
  const answer =
    match.kind === 'found'
      ? await match.route.handle(exchange, match.params)
      : parts.refuse(match.kind === 'unknown' ? 404 : 405, exchange)
  return fault?.kind === 'body' ? replaced(answer, fault, exchange.record) : answer
}

/** A whole answer, one byte at a time. An answer that streams by itself is left as it is. */
function trickled(answer: Answer, everyMilliseconds: number): Answer {
  const { body = '', ...rest } = answer
  if (answer.stream !== undefined) return answer
  return {
    ...rest,
    async stream(response, gone) {
      for (const byte of Buffer.from(body)) {
        if (gone.aborted) return
        response.write(Buffer.of(byte))
        await sleep(everyMilliseconds, undefined, { signal: gone }).catch(() => undefined)
      }
      response.end()
    },
  }
}

function replaced(answer: Answer, fault: Fault, record: RecordedRequest): Answer {
  const headers = typeof fault.headers === 'function' ? fault.headers(record) : fault.headers
  const isObject = typeof fault.body === 'object'
  const body = isObject ? JSON.stringify(fault.body) : fault.body
  return {
    status: fault.status ?? answer.status,
    headers: { ...(isObject && { 'content-type': 'application/json' }), ...headers },
    ...(typeof body === 'string' && { body }),
  }
}

/** Reads to the end without keeping more than a handler may see; nothing when the client went away. */
async function readBody(request: IncomingMessage, record: RecordedRequest): Promise<Buffer | undefined> {
  const kept: Buffer[] = []
  let keptBytes = 0
  const hash = createHash('sha256')
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk)
      record.bodyBytes += chunk.length
      if (keptBytes < keptForHandlers) {
        const part = chunk.subarray(0, keptForHandlers - keptBytes)
        kept.push(part)
        keptBytes += part.length
      }
    }
  } catch {
    return undefined
  }
  record.bodySha256 = hash.digest('hex')
  const body = Buffer.concat(kept)
  record.body = body.subarray(0, keptAsText).toString('utf8')
  return body
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  record: RecordedRequest,
  answer: Answer,
  isHalf: boolean,
  gone: AbortSignal,
): Promise<void> {
  if (gone.aborted) return
  record.status = answer.status
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    response.setHeader(name, value as string | string[])
  }
  response.statusCode = answer.status
  if (answer.stream !== undefined && !isHalf) {
    if (request.method === 'HEAD') response.end()
    else await answer.stream(response, gone)
    return
  }
  const body = Buffer.from(answer.body ?? '')
  const mayHaveBody = answer.status !== 204 && answer.status !== 304
  if (mayHaveBody && !response.hasHeader('content-length')) response.setHeader('content-length', body.length)
  if (!isHalf) {
    record.bytesSent = request.method === 'HEAD' ? 0 : body.length
    response.end(mayHaveBody ? body : undefined)
    return
  }
  const half = body.subarray(0, Math.ceil(body.length / 2))
  record.bytesSent = half.length
  response.flushHeaders()
  await new Promise<void>(resolve => {
    if (half.length === 0) resolve()
    else response.write(half, () => resolve())
  })
  request.socket.destroy()
}
