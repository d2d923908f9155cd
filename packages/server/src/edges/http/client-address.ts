import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** What `VALETKEY_TRUSTED_PROXIES` names, read. */
export interface TrustedProxies {
  readonly trusted: BlockList
  /** One sentence for each entry that could not be taken, so that start-up reports all of them at once. */
  readonly faults: readonly string[]
}

/** Reads addresses and CIDRs. An entry that is neither is a fault and trusts nobody. */
export function parseTrustedProxies(entries: readonly string[]): TrustedProxies {
  const trusted = new BlockList()
  const faults: string[] = []
  for (const entry of entries) {
    const [address = '', prefix, ...more] = entry.split('/')
    const version = isIP(address)
    const family = version === 6 ? 'ipv6' : 'ipv4'
    const most = version === 6 ? 128 : 32
    if (version === 0 || address.includes('%') || more.length > 0) {
      faults.push(`"${entry}" is neither an address nor a CIDR. Write 10.0.0.5 or 10.0.0.0/8.`)
    } else if (prefix === undefined) {
      trusted.addAddress(address, family)
    } else if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > most) {
      faults.push(`"${entry}" has no prefix length from 0 to ${most} after the slash. Write 10.0.0.0/8.`)
    } else {
      trusted.addSubnet(address, Number(prefix), family)
    }
  }
  return { trusted, faults }
}

/**
 * The address of who asks: the socket's, or, when the socket is a trusted proxy's, the last address of
 * `X-Forwarded-For` that is not one (row 52).
 */
export function createClientAddress(
  trustedProxies: readonly string[],
): (request: IncomingMessage) => string | undefined {
  const { trusted } = parseTrustedProxies(trustedProxies)
  const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')
  const isTrusted = (address: string) =>
    isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return request => {
    const peer = request.socket.remoteAddress
    if (peer === undefined) return undefined
    let address = plain(peer)
    if (trustedProxies.length === 0 || !isTrusted(address)) return address
    const forwarded = request.headers['x-forwarded-for']
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? ''))
      .split(',')
      .map(hop => plain(hop.trim()))
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) break
      address = hop
      if (!isTrusted(hop)) break
    }
    return address
  }
}
