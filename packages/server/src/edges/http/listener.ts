import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { httpLimits } from './http-limits.ts'
import { type TlsPair, tlsRules } from './tls-files.ts'

export interface ListenerHandlers {
  /** `isWaiting`: the client sends its body only once it is told to go on (RFC 9110 section 10.1.1). */
  request(request: IncomingMessage, response: ServerResponse, isWaiting: boolean): void
  /** What the parser refused, by Node's code. */
  unreadable(code: string | undefined, socket: Duplex): void
  connect(request: IncomingMessage, socket: Duplex): void
  /** A connection beyond the limit was closed. */
  dropped(): void
}

/** Node's HTTP server with every limit set on purpose, over TLS when a certificate is given. */
export function makeListener(
  handlers: ListenerHandlers,
  pair?: TlsPair,
  limits: { readonly [Name in keyof typeof httpLimits]: number } = httpLimits,
): Server {
  const options = {
    optimizeEmptyRequests: true,
    requireHostHeader: true,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    // An upload or an event stream may last; `body-patience` and `admission` bound what may not.
    requestTimeout: 0,
    connectionsCheckingInterval: limits.checkMs,
    keepAliveTimeout: limits.keepAliveMs,
    noDelay: true,
    // Every request is answered as one: an offer of HTTP/2 may be left alone (RFC 9110 section 7.8), others are refused.
    shouldUpgradeCallback: () => false,
  }
  const server =
    pair === undefined
      ? createServer(options)
      : createTlsServer({
          ...options,
          ...tlsRules,
          cert: pair.cert,
          key: pair.key,
          ALPNProtocols: ['http/1.1'],
          handshakeTimeout: limits.tlsHandshakeMs,
        })
  server.maxConnections = limits.connections
  // Counted by us: Node leaves out what is beyond its own limit.
  server.maxHeadersCount = 0
  server.timeout = limits.silentMs
  const underWay = new WeakMap<Duplex, ServerResponse>()
  const take = (isWaiting: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    underWay.set(socket, response)
    // An idle connection must not hold its last call, with all that belonged to it.
    response.once('close', () => {
      if (underWay.get(socket) === response) underWay.delete(socket)
    })
    handlers.request(request, response, isWaiting)
  }
  server.on('request', take(false))
  server.on('checkContinue', take(true))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const last = underWay.get(socket)
    if (last !== undefined && !last.writableFinished && !last.destroyed) {
      // What follows a `Connection: close` is nothing (RFC 9112 section 9.6); the answer before it is still due.
      if (error.code === 'HPE_CLOSED_CONNECTION') return
      // Words of ours would stand in the middle of an answer, or be taken for it.
      if (last.headersSent || last.req.complete) {
        socket.destroy()
        return
      }
    }
    // A failed handshake or a broken connection has nobody who could read an answer.
    if (/^(HPE_|ERR_HTTP_)/.test(error.code ?? '')) handlers.unreadable(error.code, socket)
    else socket.destroy()
  })
  server.on('connect', handlers.connect)
  server.on('drop', handlers.dropped)
  return server
}

/** New connections get this certificate; those that are open keep theirs. */
export function replaceCertificate(server: Server, pair: TlsPair): void {
  if (server instanceof TlsServer) server.setSecureContext({ ...tlsRules, cert: pair.cert, key: pair.key })
}
