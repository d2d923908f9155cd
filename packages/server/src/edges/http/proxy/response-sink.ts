import type { ServerResponse } from 'node:http'
import type { AnswerSink } from '../../../flows/broker/answer-sink.ts'

/** An HTTP response as the sink of a brokered call. `ours` are headers that stand on every answer of the proxy. */
export function responseSink(
  response: ServerResponse,
  ours: { readonly requestId: string },
): AnswerSink & { readonly eventId: string | undefined } {
  let eventId: string | undefined
  let hasBody = false
  // A write that meets a closed connection is an error event; `close` tells all that matters about it.
  response.on('error', () => {})
  const cut = () => {
    // A reset, for an orderly end of the connection could be taken for the end of an answer without a length.
    if (canBeReset(response.socket)) response.socket.resetAndDestroy()
    response.destroy()
  }
  const finished = new Promise<void>(resolve => {
    response.once('finish', resolve)
    response.once('close', resolve)
  })
  return {
    get eventId() {
      return eventId
    },
    event(id) {
      eventId = id
    },
    head(status, headers) {
      const all = withoutRequestId(headers)
      all.push('valetkey-request-id', ours.requestId, 'x-request-id', ours.requestId)
      if (eventId !== undefined) all.push('valetkey-event', eventId)
      response.writeHead(status, all)
      if (response.req.httpVersionMinor === 0) cutWhenHalfClosed(response, finished, cut)
      // The head of an event stream must not wait for its first event; with a body at hand they go in one packet.
      setImmediate(() => {
        if (!hasBody && !response.writableEnded) response.flushHeaders()
      })
    },
    write(chunk) {
      hasBody = true
      return response.write(chunk)
    },
    onDrain(resume) {
      response.on('drain', resume)
    },
    end(trailers) {
      if (trailers.length > 0) {
        const pairs: [string, string][] = []
        for (let i = 0; i + 1 < trailers.length; i += 2) pairs.push([trailers[i]!, trailers[i + 1]!])
        response.addTrailers(pairs)
      }
      response.end()
    },
    cut,
    finished,
    onGone(hear) {
      response.once('close', () => {
        if (!response.writableFinished) hear()
      })
    },
  }
}

/** Only bare TCP can. TLS that ends without its closing alert is broken off by that (RFC 8446 section 6.1). */
function canBeReset(socket: ServerResponse['socket']): socket is NonNullable<ServerResponse['socket']> {
  return socket !== null && !('encrypted' in socket) && socket.remoteAddress !== undefined
}

/**
 * Node ends the connection of a client that ends its side. HTTP/1.0 has no chunks: there such an end in the middle of an
 * answer would look like the answer's own.
 */
function cutWhenHalfClosed({ socket }: ServerResponse, finished: Promise<void>, cut: () => void): void {
  socket?.prependListener('end', cut)
  void finished.then(() => socket?.off('end', cut))
}

/** `X-Request-Id` is ours on every answer (CONTRACT 3). */
function withoutRequestId(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() !== 'x-request-id') kept.push(headers[i]!, headers[i + 1]!)
  }
  return kept
}
