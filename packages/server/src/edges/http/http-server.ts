import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import { Failure, invalid, notFound } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import { baseUrlOf } from '../../core/tenant.ts'
import type { Parts } from '../../parts.ts'
import { createAdmission } from './admission.ts'
import { authorizationOf } from './authenticate.ts'
import { endUnlessRead } from './body-patience.ts'
import { openCertificate } from './certificate.ts'
import { challengeFor } from './challenge.ts'
import { createClientAddress } from './client-address.ts'
import { httpLimits } from './http-limits.ts'
import { makeListener, replaceCertificate } from './listener.ts'
import { connectionsFor, openFilesOfProcess } from './open-files.ts'
import { isOurFault, renderProblem } from './problem.ts'
import { urlOfProxyHost } from './proxy/proxy-host.ts'
import { endWithProblem } from './raw-problem.ts'
import { failureOfFastify, failureOfParser } from './request-faults.ts'
import { requestIdOf } from './request-id.ts'
import { createTenantFinder, splitTenant } from './tenant-of-path.ts'

/** What every request carries from the first step on. */
export interface Arrival {
  readonly tenant: TenantId
  readonly slug?: string
  readonly baseUrl: string
  readonly requestId: string
  readonly ip?: string
  /** The request came through the socket file in the data folder: its reader is the operator. */
  readonly local: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    arrival: Arrival
  }
}

/** The proxy's handler: it takes the raw request, because a framework's parsing would cost more than all our rules. */
export type ProxyHandler = (request: IncomingMessage, response: ServerResponse, arrival: Arrival, url: string) => void

export interface HttpServer {
  /** Listens for everybody. Returns the port. */
  listen(host: string, port: number): Promise<number>
  /** Listens on a socket file for the operator of this machine. */
  listenLocally(path: string): Promise<void>
  /** Reads certificate and key again, for new connections; with a fault in them the old ones stay. Nothing without TLS. */
  renewCertificate(): void
  /** Finishes in-flight calls, at most `graceMs`, then closes. */
  close(graceMs: number): Promise<void>
}

/** TRACE would give back what a caller's proxies added; the others mean nothing here. The proxy judges its own. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The one HTTP server: `/proxy/` goes straight to its handler, everything else to Fastify. */
export async function createHttpServer(
  parts: Parts,
  surface: {
    readonly proxy: ProxyHandler
    readonly register: (app: FastifyInstance) => Promise<void> | void
  },
): Promise<HttpServer> {
  const findTenant = createTenantFinder(parts.store.locator)
  const clientAddress = createClientAddress(parts.config.trustedProxies)
  const slugs = new WeakMap<IncomingMessage, string>()
  const localRequests = new WeakSet<IncomingMessage>()
  let handleByFastify: ((request: IncomingMessage, response: ServerResponse) => void) | undefined

  const arrive = async (
    request: IncomingMessage,
    slug: string | undefined,
    requestId: string,
  ): Promise<Arrival | undefined> => {
    const tenant = await findTenant(slug)
    if (tenant === undefined) return undefined
    const ip = localRequests.has(request) ? undefined : clientAddress(request)
    return {
      tenant,
      ...(slug !== undefined && { slug }),
      baseUrl: baseUrlOf(slug === undefined ? {} : { slug }, parts.config.url),
      requestId,
      ...(ip !== undefined && { ip }),
      local: localRequests.has(request),
    }
  }

  // What every answer of ours carries; the pages and the proxy add their own.
  const baseHeaders = (requestId: string): Record<string, string> => ({
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    ...(parts.config.url.startsWith('https:') && {
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
    }),
  })

  const refuse = (response: ServerResponse, failure: Failure, requestId: string): void => {
    const problem = renderProblem(failure, requestId)
    response.writeHead(problem.status, { ...baseHeaders(requestId), ...problem.headers })
    response.end(JSON.stringify(problem.body))
  }

  const proxyUrlOf = (request: IncomingMessage): string | undefined =>
    urlOfProxyHost(request.headers.host, parts.config.proxyDomain, request.url ?? '/')

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const proxyUrl = proxyUrlOf(request)
    const { slug, url } = proxyUrl === undefined ? splitTenant(request.url ?? '/') : { slug: undefined, url: proxyUrl }
    if (!url.startsWith('/proxy/')) {
      if (!methods.has(request.method ?? '')) {
        response.setHeader('allow', [...methods].join(', '))
        response.setHeader('connection', 'close')
        refuse(
          response,
          new Failure('method_not_allowed', 'This method is not served here. Look at /openapi.json.'),
          requestIdOf(request.headers['x-request-id'], parts.now(), parts.random),
        )
        return
      }
      const offer = request.headers.upgrade?.toLowerCase()
      if (offer !== undefined && offer !== 'h2c') {
        response.setHeader('connection', 'close')
        refuse(
          response,
          new Failure('upgrade_not_supported', 'Upgrades are not supported here. Send a plain HTTP request.'),
          requestIdOf(request.headers['x-request-id'], parts.now(), parts.random),
        )
        return
      }
      if (slug !== undefined) slugs.set(request, slug)
      request.url = url
      endUnlessRead(request)
      handleByFastify!(request, response)
      return
    }
    const requestId = requestIdOf(request.headers['x-request-id'], parts.now(), parts.random)
    arrive(request, slug, requestId).then(
      arrival => {
        if (arrival === undefined) refuse(response, notFound(), requestId)
        else surface.proxy(request, response, arrival, url)
      },
      thrown => {
        parts.log.error('the tenant could not be looked up', { request_id: requestId, error: thrown })
        refuse(
          response,
          new Failure('unavailable', 'The store cannot be reached. Try again.', { retryAfterSeconds: 2 }),
          requestId,
        )
      },
    )
  }

  const admission = createAdmission(parts.monotonic)
  const requestIdFor = (request?: IncomingMessage) =>
    requestIdOf(request?.headers['x-request-id'], parts.now(), parts.random)
  const limits = { ...httpLimits, connections: connectionsFor(openFilesOfProcess()) }
  let droppedLoggedAt = Number.NEGATIVE_INFINITY

  const certificate = openCertificate(parts)
  const make = (local: boolean): Server =>
    makeListener(
      {
        request(request, response, isWaiting) {
          if (local) localRequests.add(request)
          // Whoever takes the body lets the client go on: the proxy and the token endpoint do it themselves, the API
          // takes every body up to its limit.
          const isCall = proxyUrlOf(request) !== undefined || /^(\/t\/[^/]+)?\/proxy\//.test(request.url ?? '')
          const refusal = refusalOf(request, response, local, isCall)
          if (refusal !== undefined) {
            if (isWaiting || refusal.code !== 'unavailable') response.setHeader('connection', 'close')
            endUnlessRead(request)
            return refuse(response, refusal, requestIdFor(request))
          }
          if (isWaiting && !isCall && !/^(\/t\/[^/]+)?\/oauth\//.test(request.url ?? '')) response.writeContinue()
          onRequest(request, response)
        },
        unreadable: (code, socket) => endWithProblem(socket, failureOfParser(code), requestIdFor()),
        connect: (request, socket) =>
          endWithProblem(
            socket,
            new Failure('method_not_allowed', 'CONNECT is not allowed here.'),
            requestIdFor(request),
          ),
        dropped() {
          if (parts.monotonic() - droppedLoggedAt < 60_000) return
          droppedLoggedAt = parts.monotonic()
          parts.log.warn('connections are being closed: there are too many', { most: limits.connections })
        },
      },
      local ? undefined : certificate?.pair,
      limits,
    )

  /** Overload is refused before anything is looked at; the operator's own socket always gets in. */
  const refusalOf = (
    request: IncomingMessage,
    response: ServerResponse,
    local: boolean,
    isCall: boolean,
  ): Failure | undefined => {
    // A request line without a version is HTTP/0.9 to the parser, which knows neither headers nor Host.
    if (request.httpVersionMajor !== 1)
      return invalid('', 'The request line has no version that is served here. Send HTTP/1.1.')
    if (request.rawHeaders.length > 2 * httpLimits.headers)
      return new Failure('payload_too_large', `A request has ${httpLimits.headers} headers at most. Send less.`)
    return local ? undefined : admission.enter(request, response, isCall ? 'call' : 'other')
  }

  const main = make(false)
  const local = make(true)
  const app = Fastify({
    serverFactory: handler => {
      handleByFastify = handler as (request: IncomingMessage, response: ServerResponse) => void
      return main
    },
    // The listener has its own, and Fastify's would write beside it.
    clientErrorHandler: () => {},
    bodyLimit: 1024 * 1024,
    exposeHeadRoutes: true,
    genReqId: request => requestIdOf(request.headers['x-request-id'], parts.now(), parts.random),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: true } },
    return503OnClosing: false,
    // A path that cannot be decoded never reaches a hook or the error handler.
    frameworkErrors: (thrown, request, reply) => refuse(reply.raw, failureOfFastify(thrown), request.id),
  })
  app.decorateRequest('arrival', null as unknown as Arrival)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(baseHeaders(request.id))
    const arrival = await arrive(request.raw, slugs.get(request.raw), request.id)
    if (arrival === undefined) throw notFound()
    request.arrival = arrival
  })
  app.setErrorHandler((thrown, request, reply) => {
    const failure = failureOfFastify(thrown)
    if (isOurFault(failure.code))
      parts.log.error(failure.message, {
        request_id: request.id,
        code: failure.code,
        route: request.routeOptions.url,
        error: failure.cause,
      })
    const value = challengeFor(failure, {
      baseUrl: request.arrival?.baseUrl ?? parts.config.url,
      authorization: authorizationOf(request.raw.rawHeaders),
    })
    if (value !== undefined) reply.header('www-authenticate', value)
    const problem = renderProblem(failure, request.id)
    return reply.code(problem.status).headers(problem.headers).send(problem.body)
  })
  app.setNotFoundHandler(() => {
    throw new Failure('not_found', 'There is nothing at this path. The API is described at /openapi.json.')
  })
  await surface.register(app)
  await app.ready()

  return {
    async listen(host, port) {
      await new Promise<void>((resolve, reject) => {
        main.once('error', reject)
        main.listen(port, host, resolve)
      })
      if (limits.connections < httpLimits.connections)
        parts.log.warn('few files may be open in this process, so few connections are taken; raise ulimit -n', {
          connections: limits.connections,
        })
      const address = main.address()
      if (address === null || typeof address === 'string') throw new TypeError('the server listens on no port')
      return address.port
    },
    async listenLocally(path) {
      await new Promise<void>((resolve, reject) => {
        local.once('error', reject)
        // The mode of the socket file is what lets only this operator in, so it must never exist with a wider one.
        const before = process.umask(0o177)
        local.listen(path, () => resolve())
        process.umask(before)
      })
    },
    renewCertificate() {
      const pair = certificate?.renew()
      if (pair !== undefined) replaceCertificate(main, pair)
    },
    async close(graceMs) {
      admission.close()
      const closed = Promise.all(
        [main, local].map(server => new Promise<void>(resolve => server.close(() => resolve()))),
      )
      const closeIdle = () => {
        main.closeIdleConnections()
        local.closeIdleConnections()
      }
      closeIdle()
      // A connection kept alive by its client becomes idle when its call is over, and must not hold the end up.
      const again = setInterval(closeIdle, 25)
      const cut = setTimeout(() => {
        main.closeAllConnections()
        local.closeAllConnections()
      }, graceMs)
      await closed
      clearTimeout(cut)
      clearInterval(again)
      await app.close().catch(() => undefined)
    },
  }
}
