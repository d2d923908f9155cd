import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { createAdmission } from './admission.ts'

const limits = {
  requestsInFlight: 4,
  otherRequestsInFlight: 2,
  requestsPerConnection: 3,
  answerMs: 1_000,
  checkMs: 100,
}

/** A request and its answer as far as admission looks at them. */
function pairOn(socket: Socket) {
  const request = { socket } as IncomingMessage
  const response = Object.assign(new EventEmitter(), { socket, headersSent: false })
  return { request, response: response as unknown as ServerResponse & { headersSent: boolean } }
}

describe('admission', () => {
  it('refuses one too many on a connection, of the kind and of all, until an answer is over', () => {
    const admission = createAdmission(() => 0, limits)
    const enter = (kind: 'call' | 'other', socket = new Socket()) => {
      const { request, response } = pairOn(socket)
      return { refusal: admission.enter(request, response, kind), response }
    }
    const one = new Socket()
    const first = enter('call', one)
    enter('call', one)
    enter('other', one)
    expect(enter('call', one).refusal).toMatchObject({ code: 'unavailable', more: { retryAfterSeconds: 1 } })
    expect(enter('other').refusal).toBeUndefined()
    expect(enter('other').refusal?.message).toMatch(/^Too many requests are being served/)
    expect(enter('call').refusal?.message).toMatch(/^Too many requests are being served/)
    first.response.emit('close')
    expect(enter('call', one).refusal).toBeUndefined()
    expect(admission.inFlight).toBe(4)
    admission.close()
  })

  it('ends the connection of a request whose answer has not begun in time, and lets one that has begun last', () => {
    vi.useFakeTimers()
    try {
      let now = 0
      const admission = createAdmission(() => now, limits)
      const sockets = [new Socket(), new Socket(), new Socket()]
      const pairs = sockets.map(pairOn)
      for (const { request, response } of pairs.slice(0, 2)) admission.enter(request, response, 'call')
      pairs[1]!.response.headersSent = true
      now = 500
      admission.enter(pairs[2]!.request, pairs[2]!.response, 'call')
      now = 1_001
      vi.advanceTimersByTime(100)
      expect(sockets.map(socket => socket.destroyed)).toEqual([true, false, false])
      admission.close()
    } finally {
      vi.useRealTimers()
    }
  })
})
