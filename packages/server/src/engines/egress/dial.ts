import { lookup } from 'node:dns/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, getCACertificates } from 'node:tls'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

/** One socket to exactly this address; `servername` is the name that its certificate must prove. */
export interface DialOrder {
  readonly address: string
  readonly port: number
  readonly isTls: boolean
  /** Empty when the URL holds an address: then the certificate must name the address. */
  readonly servername: string
  readonly extraCa?: readonly string[]
  /** A TLS session of an earlier connection of the same pool, so that the handshake is short. */
  readonly session?: Buffer
}

export type Dial = (order: DialOrder) => Socket

/** The system's resolver, every address. */
export const resolveWithSystem: Resolve = hostname => lookup(hostname, { all: true, order: 'verbatim' })

/** Opens the socket. TLS is always verified, whatever the environment says; HTTP/1.1 is the only protocol offered. */
export const dialSocket: Dial = order => {
  const place = { host: order.address, port: order.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }
  if (!order.isTls) return connectTcp(place)
  return connectTls({
    ...place,
    servername: order.servername,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    ...(order.extraCa !== undefined && { ca: [...getCACertificates('default'), ...order.extraCa] }),
    ...(order.session !== undefined && { session: order.session }),
  })
}
