import type { AgentCaller } from '../../core/caller.ts'
import { Failure } from '../../core/failure.ts'

/** Bounds of brokered calls in one process. docs/limits.md is made from these. */
export const callLimits = {
  /** Calls in progress, streams and those that wait for their provider among them. */
  calls: 10_000,
  /** Of these, calls of one agent: no agent takes the room of all others. */
  callsPerAgent: 2_500,
  /** Bytes of bodies held at once: of requests, to be looked into or sent a second time, and of answers with links. */
  bodyBytes: 128 * 1024 * 1024,
  /** Of these, bytes of one agent. */
  bodyBytesPerAgent: 32 * 1024 * 1024,
} as const

/** What one call has taken of the room, until it leaves. */
export interface CallPlace {
  /** Whether so many more bytes of its bodies may be held; if so they count until `drop`. */
  keep(bytes: number): boolean
  drop(bytes: number): void
  leave(): void
}

/** Room for calls in this process. */
export interface CallRoom {
  /** Throws `unavailable` when there is none. */
  enter(caller: Pick<AgentCaller, 'tenant' | 'agent'>): CallPlace
  readonly calls: number
  readonly bodyBytes: number
}

interface Share {
  calls: number
  bodyBytes: number
}

export function createCallRoom(limits: { readonly [Name in keyof typeof callLimits]: number } = callLimits): CallRoom {
  const shares = new Map<string, Share>()
  const all: Share = { calls: 0, bodyBytes: 0 }
  return {
    enter({ tenant, agent }) {
      if (all.calls >= limits.calls) throw full('Too many calls are in progress.')
      const key = `${tenant} ${agent}`
      const share = shares.get(key) ?? { calls: 0, bodyBytes: 0 }
      if (share.calls >= limits.callsPerAgent) throw full('This agent has too many calls in progress.')
      shares.set(key, share)
      share.calls++
      all.calls++
      let mine = 0
      let isOver = false
      const add = (bytes: number) => {
        mine += bytes
        share.bodyBytes += bytes
        all.bodyBytes += bytes
      }
      return {
        keep(bytes) {
          // A chunk that comes after the call is over must not count for ever.
          if (isOver || all.bodyBytes + bytes > limits.bodyBytes) return false
          if (share.bodyBytes + bytes > limits.bodyBytesPerAgent) return false
          add(bytes)
          return true
        },
        drop(bytes) {
          if (!isOver) add(-bytes)
        },
        leave() {
          if (isOver) return
          add(-mine)
          isOver = true
          share.calls--
          all.calls--
          if (share.calls === 0) shares.delete(key)
        },
      }
    },
    get calls() {
      return all.calls
    },
    get bodyBytes() {
      return all.bodyBytes
    },
  }
}

function full(why: string): Failure {
  return new Failure('unavailable', `${why} Nothing was sent; try again in a second.`, { retryAfterSeconds: 1 })
}
