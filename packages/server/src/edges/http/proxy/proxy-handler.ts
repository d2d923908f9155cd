import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AgentCaller } from '../../../core/caller.ts'
import { Failure } from '../../../core/failure.ts'
import { createBroker } from '../../../flows/broker/broker.ts'
import type { CallCounts } from '../../../flows/broker/call-metrics.ts'
import { forwardCall } from '../../../flows/broker/forward-call.ts'
import type { ProxyCall } from '../../../flows/broker/proxy-call.ts'
import type { Parts } from '../../../parts.ts'
import { type Authenticate, authorizationOf } from '../authenticate.ts'
import { discardRest, endUnlessRead } from '../body-patience.ts'
import { challengeFor, requireScopes } from '../challenge.ts'
import type { Arrival, ProxyHandler } from '../http-server.ts'
import { asFailure, isOurFault, renderProblem } from '../problem.ts'
import { parseProxyUrl } from './parse-proxy-url.ts'
import { urlOfOwnHost } from './proxy-host.ts'
import { responseSink } from './response-sink.ts'

export interface Proxy {
  readonly handle: ProxyHandler
  /** Cuts what is left, then waits for what has to be on the record and for renewals. After the server closed. */
  close(): Promise<void>
  /** What calls of this process have come to. */
  counts(): CallCounts
}

/** The handler of `/proxy/`: parses, asks who it is, lets the flow do the work, renders what it threw. */
export function createProxyHandler(parts: Parts, authenticate: Authenticate): Proxy {
  const broker = createBroker(parts)
  const context = { ...parts, broker }
  const inFlight = new Set<Promise<void>>()
  const handle: ProxyHandler = (request, response, arrival, url) => {
    request.on('error', () => {})
    const sink = responseSink(response, arrival)
    const hostUrl = urlOfOwnHost(request.headers.host, parts.config.proxyDomain, arrival.baseUrl)
    const reached = { baseUrl: arrival.baseUrl, ...(hostUrl !== undefined && { hostUrl }) }
    const call = callOf(request, response, url, reached)
    const work = async () => {
      const caller = await agentOf(authenticate, request, arrival)
      await forwardCall(context, caller, call, sink)
    }
    const fail = (thrown: unknown): void => {
      const isGone = response.destroyed || request.destroyed
      const failure = asFailure(thrown)
      if (isOurFault(failure.code) && !(isGone && failure.code === 'internal')) {
        const members = { request_id: arrival.requestId, code: failure.code, error: failure.cause }
        parts.log.error(failure.message, members)
      }
      if (response.headersSent) sink.cut()
      else if (!response.destroyed) refuse(request, response, arrival, failure, sink.eventId)
    }
    const served = work()
      .catch(fail)
      .catch((error: unknown) => {
        parts.log.error('A refusal could not be written', { request_id: arrival.requestId, error })
        sink.cut()
      })
    inFlight.add(served)
    void served.finally(() => {
      inFlight.delete(served)
      endUnlessRead(request)
      discardRest(request)
    })
  }
  return {
    handle,
    counts: () => broker.metrics.read(),
    async close() {
      broker.streams.close()
      await Promise.all(inFlight)
      await broker.drain()
      broker.close()
    },
  }
}

function callOf(
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  reached: ProxyCall['reached'],
): ProxyCall {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  return {
    method: request.method ?? '',
    ...parseProxyUrl(url),
    rawHeaders: request.rawHeaders,
    reached,
    ...(hasBody && { body: request }),
    takeBody() {
      if (isWaitingToSend(request)) response.writeContinue()
    },
  }
}

/** RFC 9110 section 10.1.1. */
function isWaitingToSend(request: IncomingMessage): boolean {
  return /(?:^|\W)100-continue(?:$|\W)/i.test(request.headers.expect ?? '')
}

async function agentOf(authenticate: Authenticate, request: IncomingMessage, arrival: Arrival): Promise<AgentCaller> {
  const caller = await authenticate(
    { id: arrival.tenant, ...(arrival.slug !== undefined && { slug: arrival.slug }) },
    {
      authorization: authorizationOf(request.rawHeaders),
      requestId: arrival.requestId,
      ...(arrival.ip !== undefined && { ip: arrival.ip }),
      takesTokenScheme: true,
    },
  )
  if (caller.kind === 'agent') {
    requireScopes(caller, ['connections:use'])
    return caller
  }
  throw new Failure('insufficient_scope', `Connections are used by agents; this token belongs to an ${caller.kind}.`, {
    members: { required_scopes: ['connections:use'] },
  })
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  arrival: Arrival,
  failure: Failure,
  eventId: string | undefined,
): void {
  const problem = renderProblem(failure, arrival.requestId)
  const challenge = challengeFor(failure, {
    baseUrl: arrival.baseUrl,
    authorization: authorizationOf(request.rawHeaders),
  })
  // A client that was never told to go on sends no body: the next bytes on the connection would be taken for it.
  const mayGoOn = !isWaitingToSend(request) || request.readableEnded
  const body = JSON.stringify(problem.body)
  response.writeHead(problem.status, {
    ...problem.headers,
    'content-length': Buffer.byteLength(body),
    'valetkey-request-id': arrival.requestId,
    'x-request-id': arrival.requestId,
    // What could not be recorded is no event.
    ...(eventId !== undefined && failure.code !== 'unavailable' && { 'valetkey-event': eventId }),
    ...(challenge !== undefined && { 'www-authenticate': challenge }),
    ...(failure.code === 'method_not_allowed' && { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }),
    ...(!mayGoOn && { connection: 'close' }),
  })
  response.end(body)
}
