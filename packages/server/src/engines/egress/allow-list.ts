import { addressBytes, judgeNetwork, sharesPrefix, unmapped } from './address-rules.ts'

/** One entry of `VALETKEY_EGRESS_ALLOW`, read. Without `tenantSlug` it counts for the first tenant. */
export interface AllowRule {
  readonly tenantSlug?: string
  readonly port?: number
  readonly target: { readonly kind: 'name'; readonly name: string } | NetworkTarget
}

export interface NetworkTarget {
  readonly kind: 'network'
  readonly prefix: Uint8Array
  readonly bits: number
}

export interface ParsedAllowList {
  readonly rules: readonly AllowRule[]
  /** One sentence for each entry that could not be taken, so that start-up reports all of them at once. */
  readonly faults: readonly string[]
}

/**
 * Reads the setting: `host`, `host:port`, `CIDR`, `CIDR:port`, `[v6]:port`, comma separated, each optionally as
 * `slug@entry`. Link-local, metadata and other special addresses cannot be listed; a wider network that holds some of
 * them is taken, and they stay refused at connect.
 */
export function parseAllowList(text: string): ParsedAllowList {
  const rules: AllowRule[] = []
  const faults: string[] = []
  for (const raw of text.split(',')) {
    const entry = raw.trim()
    if (entry === '') continue
    const rule = parseEntry(entry)
    if (typeof rule === 'string') faults.push(`VALETKEY_EGRESS_ALLOW: "${entry}" ${rule}`)
    else rules.push(rule)
  }
  return { rules, faults }
}

/** The rules that count for one tenant. */
export function rulesOf(rules: readonly AllowRule[], tenant: { slug?: string; isFirst: boolean }): AllowRule[] {
  return rules.filter(rule => (rule.tenantSlug === undefined ? tenant.isFirst : rule.tenantSlug === tenant.slug))
}

/** Whether a rule lists that host name (without a trailing dot, lower case) at that port. */
export function listsName(rules: readonly AllowRule[], name: string, port: number): boolean {
  return rules.some(
    rule => rule.target.kind === 'name' && rule.target.name === name && (rule.port === undefined || rule.port === port),
  )
}

/** Whether a rule lists that address at that port; IPv4-mapped spellings count as the IPv4 address. */
export function listsAddress(rules: readonly AllowRule[], address: string, port: number): boolean {
  const bytes = addressBytes(address)
  if (bytes === undefined) return false
  const plain = unmapped(bytes)
  return rules.some(
    rule =>
      rule.target.kind === 'network' &&
      (rule.port === undefined || rule.port === port) &&
      sharesPrefix(plain, rule.target.prefix, rule.target.bits),
  )
}

/** Whether any rule lists a network at that port, so that only resolution can tell about a name. */
export function listsAnyNetwork(rules: readonly AllowRule[], port: number): boolean {
  return rules.some(rule => rule.target.kind === 'network' && (rule.port === undefined || rule.port === port))
}

function parseEntry(entry: string): AllowRule | string {
  const at = entry.indexOf('@')
  const slug = at === -1 ? undefined : entry.slice(0, at)
  if (slug !== undefined && !/^[a-z0-9][a-z0-9-]*$/.test(slug)) {
    return 'has no tenant slug before the @. Write slug@host:port.'
  }
  const split = splitPort(entry.slice(at + 1))
  if (typeof split === 'string') return split
  const target = parseTarget(split.host)
  if (typeof target === 'string') return target
  return {
    target,
    ...(slug !== undefined && { tenantSlug: slug }),
    ...(split.port !== undefined && { port: split.port }),
  }
}

function splitPort(text: string): { host: string; port?: number } | string {
  const bracketed = /^\[([^\]]*)\](\/\d+)?(?::(.*))?$/.exec(text)
  if (bracketed) return withPort(`${bracketed[1]}${bracketed[2] ?? ''}`, bracketed[3])
  const colons = text.split(':').length - 1
  if (colons > 1) return { host: text }
  const colon = text.indexOf(':')
  return colon === -1 ? { host: text } : withPort(text.slice(0, colon), text.slice(colon + 1))
}

function withPort(host: string, port: string | undefined): { host: string; port?: number } | string {
  if (port === undefined) return { host }
  const number = Number(port)
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65535) return 'has no port from 1 to 65535 after the colon.'
  return { host, port: number }
}

function parseTarget(host: string): AllowRule['target'] | string {
  const [ip = '', length, more] = host.split('/')
  const bytes = addressBytes(ip)
  if (bytes === undefined) {
    if (length !== undefined) return 'is no network. Write an address before the slash, such as 10.1.0.0/16.'
    return parseName(host)
  }
  if (ip.includes('%')) return 'names a zone. Link-local addresses are never reached.'
  const plain = unmapped(bytes)
  const bits = length === undefined ? bytes.length * 8 : Number(length)
  if (more !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length)) || bits > bytes.length * 8) {
    return 'has no prefix length that fits the address after the slash.'
  }
  const plainBits = plain === bytes ? bits : bits - 96
  if (plainBits < 0) return 'is an IPv4-mapped network wider than IPv4. Write the IPv4 network.'
  if (isNeverListed(plain, plainBits)) {
    return 'is a link-local, metadata or other special address. These are never reached and cannot be listed.'
  }
  return { kind: 'network', prefix: plain, bits: plainBits }
}

function isNeverListed(prefix: Uint8Array, bits: number): boolean {
  const kind = judgeNetwork(prefix, bits)
  return kind === 'link_local' || kind === 'metadata' || kind === 'special'
}

function parseName(host: string): AllowRule['target'] | string {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (!/^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(name)) {
    return 'is neither a host name nor an address. Write host, host:port, CIDR, CIDR:port or [v6]:port.'
  }
  // The URL parser reads such a name as an IPv4 address, so a rule for the name would never match.
  if (/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)) return 'is not a full IPv4 address. Write all four numbers.'
  return { kind: 'name', name }
}
