import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '../../core/failure.ts'
import { httpLimits } from './http-limits.ts'

/** Lets requests in as long as there is room for them, and ends those that are not answered in time. */
export interface Admission {
  /** Counts the request until its answer is over. A failure: there is no room, and it is not counted. */
  enter(request: IncomingMessage, response: ServerResponse, kind: 'call' | 'other'): Failure | undefined
  readonly inFlight: number
  close(): void
}

interface Entry {
  readonly response: ServerResponse
  readonly since: number
}

export type AdmissionLimits = Pick<
  typeof httpLimits,
  'requestsInFlight' | 'otherRequestsInFlight' | 'requestsPerConnection' | 'answerMs' | 'checkMs'
>

/** `monotonic` in milliseconds. */
export function createAdmission(
  monotonic: () => number,
  limits: { readonly [Name in keyof AdmissionLimits]: number } = httpLimits,
): Admission {
  const entries = new Set<Entry>()
  const perSocket = new WeakMap<IncomingMessage['socket'], number>()
  let others = 0
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  const sweep = () => {
    const before = monotonic() - limits.answerMs
    for (const { response, since } of entries) {
      // In order of arrival: whatever comes after this one is younger.
      if (since > before) break
      // An answer that has begun may last as long as bytes move.
      if (!response.headersSent) response.socket?.destroy()
    }
    if (entries.size === 0) stop()
  }
  return {
    enter(request, response, kind) {
      const { socket } = request
      const onSocket = perSocket.get(socket) ?? 0
      if (onSocket >= limits.requestsPerConnection) {
        return full('Too many requests were sent on one connection without waiting for their answers.')
      }
      if (entries.size >= limits.requestsInFlight || (kind === 'other' && others >= limits.otherRequestsInFlight)) {
        return full('Too many requests are being served.')
      }
      const entry = { response, since: monotonic() }
      entries.add(entry)
      perSocket.set(socket, onSocket + 1)
      if (kind === 'other') others++
      timer ??= setInterval(sweep, limits.checkMs).unref()
      response.once('close', () => {
        entries.delete(entry)
        perSocket.set(socket, (perSocket.get(socket) ?? 1) - 1)
        if (kind === 'other') others--
      })
      return undefined
    },
    get inFlight() {
      return entries.size
    },
    close: stop,
  }
}

function full(why: string): Failure {
  return new Failure('unavailable', `${why} Try again in a second.`, { retryAfterSeconds: 1 })
}
