import { addressBytes, judgeAddress } from './address-rules.ts'
import { type AllowRule, listsAddress, listsAnyNetwork, listsName } from './allow-list.ts'

/** Where a call wants to go, read from its URL and nothing else. */
export interface Target {
  readonly isTls: boolean
  /** Lower case, without brackets and without a trailing dot, as the URL parser normalised it. */
  readonly hostname: string
  readonly isAddress: boolean
  readonly port: number
}

export type Judgement = { readonly ok: true } | { readonly ok: false; readonly why: string }

const ok: Judgement = { ok: true }
const refused = (why: string): Judgement => ({ ok: false, why })

/**
 * Reads `scheme://host[:port]` by the WHATWG URL rules, which turn decimal, octal and hexadecimal spellings of an IPv4
 * address into the address. Undefined for another scheme, user information or text that is no URL.
 */
export function readTarget(url: string | URL): Target | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : url
  if (parsed === null || (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')) return undefined
  if (parsed.username !== '' || parsed.password !== '' || parsed.port === '0') return undefined
  const isTls = parsed.protocol === 'https:'
  const hostname = parsed.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (hostname === '') return undefined
  const port = parsed.port === '' ? (isTls ? 443 : 80) : Number(parsed.port)
  return { isTls, hostname, isAddress: addressBytes(hostname) !== undefined, port }
}

/** The first half, before any resolution: scheme, name form, port and list. */
export function judgeForm(target: Target, rules: readonly AllowRule[]): Judgement {
  if (target.isAddress) return judgeAddresses(target, [target.hostname], rules)
  if (listsName(rules, target.hostname, target.port)) return ok
  const mayBeInNetwork = listsAnyNetwork(rules, target.port)
  if (!target.isTls && !mayBeInNetwork) {
    return refused('Plain http goes only to what VALETKEY_EGRESS_ALLOW lists. Use https or have the operator list it.')
  }
  if (isLocalName(target.hostname) && !mayBeInNetwork) return refused(notListed(target))
  return ok
}

/**
 * The second half, on the resolved addresses, right before one of them is dialled. One address that is not allowed
 * refuses them all: an answer that mixes a public address with a private one is an attack or a mistake.
 */
export function judgeAddresses(target: Target, addresses: readonly string[], rules: readonly AllowRule[]): Judgement {
  if (addresses.length === 0) return refused(`${target.hostname} has no address.`)
  const isListedName = !target.isAddress && listsName(rules, target.hostname, target.port)
  for (const address of addresses) {
    const kind = judgeAddress(address)
    if (kind === 'link_local' || kind === 'metadata' || kind === 'special') {
      return refused(`${target.hostname} is at an address that is never reached.`)
    }
    if (isListedName || listsAddress(rules, address, target.port)) continue
    if (kind !== 'public' || !target.isTls || isLocalName(target.hostname)) return refused(notListed(target))
  }
  return ok
}

/**
 * `localhost` is both ::1 and 127.0.0.1 on most machines, and an operator lists the one where something listens: of
 * addresses that are all loopback, those that are listed are dialled. Of no other name is an address left out.
 */
export function withoutUnlistedLoopback(
  target: Target,
  addresses: readonly string[],
  rules: readonly AllowRule[],
): readonly string[] {
  const isLocalhost = /(?:^|\.)localhost$/.test(target.hostname)
  if (!isLocalhost || listsName(rules, target.hostname, target.port)) return addresses
  if (!addresses.every(address => judgeAddress(address) === 'loopback')) return addresses
  const listed = addresses.filter(address => listsAddress(rules, address, target.port))
  return listed.length > 0 ? listed : addresses
}

function notListed(target: Target): string {
  return `${target.hostname}:${target.port} is not a public https address and not listed in VALETKEY_EGRESS_ALLOW. Have the operator list it.`
}

/** Names that mean this machine or network wherever they are asked (RFC 6761, RFC 6762, ICANN's `.internal`). */
function isLocalName(hostname: string): boolean {
  return /(?:^|\.)(?:localhost|local|internal)$/.test(hostname)
}
