import { type EndpointName, endpointNames } from './http/exchange.ts'
import type { RecordedRequest } from './http/request-log.ts'

/** The closed list of faults. */
export const faultKinds = {
  delay: 'Waits `ms` of real time, then does the work and answers.',
  status: 'Does no work and answers `status` (default 503) with `body` and `headers`.',
  body: 'Does the work and replaces the answer by `body` (and `status`, `headers` where given).',
  drop_before: 'Destroys the socket after the request was read and before any work is done.',
  drop_after: 'Does the work (a refresh token is rotated) and destroys the socket without a byte.',
  trickle: 'Does the work and sends the body one byte every `ms` of real time.',
  half_answer: 'Does the work, sends the headers and half of the body, and destroys the socket.',
} as const
export type FaultKind = keyof typeof faultKinds

/** A fault waiting for its request. Faults of one endpoint are used up in the order in which they were queued. */
export interface Fault {
  readonly at: EndpointName
  readonly kind: FaultKind
  /** How many requests it meets; default 1. */
  readonly times?: number
  /** Only requests for which this holds meet it, e.g. `r => r.body.includes('refresh_token')`. */
  readonly when?: (request: RecordedRequest) => boolean
  readonly ms?: number
  readonly status?: number
  readonly body?: string | object
  /** Fixed, or made of the request: an evil provider sends the person on with the `state` it was given. */
  readonly headers?: Readonly<Record<string, string>> | ((request: RecordedRequest) => Readonly<Record<string, string>>)
}

/** Requests of one endpoint kept waiting. */
export interface Hold {
  /** Fulfils with the first request that waits. */
  readonly arrived: Promise<RecordedRequest>
  /** The requests that waited so far. */
  readonly waiting: readonly RecordedRequest[]
  /** Lets them and all later ones pass. */
  release(): void
}

/** `before`: nothing is done until the release. `after`: the work is done and only the answer waits. */
export type HoldPoint = 'before' | 'after'

/** The queue of faults and the gates. */
export interface FaultScript {
  add(faults: Fault | readonly Fault[]): void
  take(at: EndpointName | undefined, request: RecordedRequest): Fault | undefined
  hold(at: EndpointName, point: HoldPoint): Hold
  pass(at: EndpointName | undefined, point: HoldPoint, request: RecordedRequest): Promise<void>
  clear(): void
}

/** An empty script. */
export function createFaultScript(): FaultScript {
  let queue: { readonly fault: Fault; left: number }[] = []
  interface Gate {
    readonly at: EndpointName
    readonly point: HoldPoint
    readonly opened: Promise<void>
    enter(request: RecordedRequest): void
    release(): void
  }
  const gates = new Set<Gate>()

  const add = (faults: Fault | readonly Fault[]) => {
    for (const fault of Array.isArray(faults) ? (faults as readonly Fault[]) : [faults as Fault]) {
      judgeFault(fault)
      queue.push({ fault, left: fault.times ?? 1 })
    }
  }
  return {
    add,
    take(at, request) {
      const entry = queue.find(({ fault }) => fault.at === at && (fault.when?.(request) ?? true))
      if (entry === undefined) return undefined
      entry.left -= 1
      if (entry.left <= 0) queue = queue.filter(other => other !== entry)
      return entry.fault
    },
    hold(at, point) {
      judgeEndpoint(at)
      const arrival = Promise.withResolvers<RecordedRequest>()
      const opening = Promise.withResolvers<void>()
      const waiting: RecordedRequest[] = []
      const gate: Gate = {
        at,
        point,
        opened: opening.promise,
        enter(request) {
          waiting.push(request)
          arrival.resolve(request)
        },
        release() {
          gates.delete(gate)
          opening.resolve()
        },
      }
      gates.add(gate)
      return { arrived: arrival.promise, waiting, release: gate.release }
    },
    async pass(at, point, request) {
      for (const gate of [...gates]) {
        if (gate.at !== at || gate.point !== point) continue
        gate.enter(request)
        await gate.opened
      }
    },
    clear() {
      queue = []
      for (const gate of [...gates]) gate.release()
    },
  }
}

function judgeEndpoint(at: string): void {
  if (!(endpointNames as readonly string[]).includes(at)) {
    throw new TypeError(`no endpoint is called "${at}"; expected one of ${endpointNames.join(', ')}`)
  }
}

function judgeFault(fault: Fault): void {
  judgeEndpoint(fault.at)
  if (!Object.hasOwn(faultKinds, fault.kind)) {
    throw new TypeError(`no fault is called "${fault.kind}"; expected one of ${Object.keys(faultKinds).join(', ')}`)
  }
  const isTimed = fault.kind === 'delay' || fault.kind === 'trickle'
  if (isTimed && !(fault.ms !== undefined && fault.ms >= 0)) {
    throw new TypeError(`a ${fault.kind} needs \`ms\`, the milliseconds to wait`)
  }
  if (fault.kind === 'body' && fault.body === undefined) throw new TypeError('a body fault needs `body`')
}
