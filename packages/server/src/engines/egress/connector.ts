import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { buildConnector } from 'undici'
import type { AllowRule } from './allow-list.ts'
import type { Dial, DialOrder, Resolve } from './dial.ts'
import { EgressFailure } from './egress.ts'
import { judgeAddresses, type Target, withoutUnlistedLoopback } from './guard.ts'
import { isOwn, type OwnPlace } from './own-listeners.ts'
import { passOverContinue } from './pass-over-continue.ts'

export interface ConnectorParts {
  readonly target: Target
  readonly rules: readonly AllowRule[]
  readonly resolve: Resolve
  readonly dial: Dial
  readonly ownPlaces: () => readonly OwnPlace[]
  readonly machineAddresses: () => readonly string[]
  readonly connectTimeoutMs: number
  readonly extraCa?: readonly string[]
}

/**
 * How undici opens a connection here: resolve once, judge every address, dial one of exactly those. The name is never
 * resolved a second time, so a name that changes its answer in between (DNS rebinding) gains nothing.
 */
export function makeConnector(parts: ConnectorParts): buildConnector.connector {
  const session: { current?: Buffer } = {}
  return (_options, callback) => {
    open(parts, session).then(
      socket => callback(null, socket),
      (error: unknown) => callback(asFailure(parts.target, error), null),
    )
  }
}

async function open(parts: ConnectorParts, session: { current?: Buffer }): Promise<Socket> {
  const { target } = parts
  const deadline = performance.now() + parts.connectTimeoutMs
  const resolved = target.isAddress ? [target.hostname] : await resolveInTime(parts)
  const addresses = withoutUnlistedLoopback(target, resolved, parts.rules)
  const judgement = judgeAddresses(target, addresses, parts.rules)
  if (!judgement.ok) throw new EgressFailure('not_allowed', judgement.why, false)
  await refuseOwn(parts, addresses)
  let last: unknown
  for (const [index, address] of addresses.entries()) {
    const left = deadline - performance.now()
    if (left <= 0) break
    const order: DialOrder = {
      address,
      port: target.port,
      isTls: target.isTls,
      servername: target.isAddress ? '' : target.hostname,
      ...(parts.extraCa !== undefined && { extraCa: parts.extraCa }),
      ...(session.current !== undefined && { session: session.current }),
    }
    // A dead address (often IPv6 without a route) must not use up the time of the next one.
    const isLast = index === addresses.length - 1
    try {
      return await opened(parts.dial(order), target.isTls, isLast ? left : Math.min(left, 1_000), session)
    } catch (error) {
      last = error
    }
  }
  throw last ?? timedOut(target)
}

/** Waits until the socket may carry the request; without that in time it is destroyed. */
function opened(socket: Socket, isTls: boolean, timeoutMs: number, session: { current?: Buffer }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    )
    const settle = () => {
      clearTimeout(timer)
      socket.off('error', onError).off('close', onClose)
    }
    const onError = (error: Error) => {
      settle()
      // A socket may report more than one error while it falls; the first is the reason.
      socket.on('error', () => {})
      delete session.current
      reject(error)
    }
    const onClose = () => onError(new Error('closed before it was open'))
    socket.on('error', onError).on('close', onClose)
    if (isTls) socket.on('session', (ticket: Buffer) => Object.assign(session, { current: ticket }))
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      settle()
      if (isTls && !(socket as TLSSocket).authorized) {
        socket.on('error', () => {}).destroy()
        reject(new Error('the certificate was not verified'))
      } else resolve(passOverContinue(breakable(socket)))
    })
  })
}

/**
 * undici takes ECONNRESET for the orderly end of an answer without a length, so that half of it would pass for the whole
 * (RFC 9112 section 8). By another code a reset is what it is. Before undici listens.
 */
function breakable(socket: Socket): Socket {
  return socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
  })
}

async function resolveInTime(parts: ConnectorParts): Promise<string[]> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(timedOut(parts.target)), parts.connectTimeoutMs)
  try {
    return (await Promise.race([parts.resolve(parts.target.hostname), promise])).map(({ address }) => address)
  } finally {
    clearTimeout(timer)
  }
}

async function refuseOwn(parts: ConnectorParts, addresses: readonly string[]): Promise<void> {
  const { target } = parts
  const places = await Promise.all(
    parts
      .ownPlaces()
      .filter(place => place.port === target.port)
      // A place of ours whose name does not resolve now cannot be met by its addresses; its name still is.
      .map(async place => ({
        ...place,
        addresses: await parts.resolve(place.host).then(
          all => all.map(a => a.address),
          () => [],
        ),
      })),
  )
  if (places.length === 0) return
  const machine = parts.machineAddresses()
  if (addresses.some(address => isOwn({ hostname: target.hostname, address, port: target.port }, places, machine))) {
    throw new EgressFailure('not_allowed', `${target.hostname}:${target.port} is a place of Valetkey itself.`, false)
  }
}

function timedOut(target: Target): EgressFailure {
  return new EgressFailure('timeout', `${target.hostname} did not take the connection in time.`, false)
}

function asFailure(target: Target, error: unknown): EgressFailure {
  if (error instanceof EgressFailure) return error
  if ((error as { code?: unknown }).code === 'ETIMEDOUT') return timedOut(target)
  return new EgressFailure(
    'unreachable',
    `${target.hostname} could not be reached or did not prove its name.`,
    false,
    error,
  )
}
