import { isIPv4, isIPv6 } from 'node:net'

/** What an address is for. Only `public` is reached unasked; only `loopback` and `private` can be listed by an operator. */
export type AddressKind = 'public' | 'loopback' | 'private' | 'link_local' | 'metadata' | 'special'

/** An address as its 4 or 16 bytes; a zone index is cut off. */
export function addressBytes(ip: string): Uint8Array | undefined {
  const zone = ip.indexOf('%')
  const bare = zone === -1 ? ip : ip.slice(0, zone)
  if (isIPv4(bare)) return Uint8Array.from(bare.split('.'), Number)
  if (!isIPv6(bare)) return undefined
  let text = bare
  const dotted = text.lastIndexOf('.') === -1 ? undefined : text.slice(text.lastIndexOf(':') + 1)
  if (dotted !== undefined) {
    const [a, b, c, d] = dotted.split('.').map(Number) as [number, number, number, number]
    text = `${text.slice(0, -dotted.length)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = text.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':').map(word => Number.parseInt(word, 16)))
  const left = words(head)
  const right = tail === undefined ? [] : words(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return Uint8Array.from(all.flatMap(word => [word >> 8, word & 255]))
}

/** Whether the first `bits` of two addresses of one family agree. */
export function sharesPrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  if (a.length !== b.length) return false
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = bits & 7
  return rest === 0 || (a[whole]! ^ b[whole]!) >> (8 - rest) === 0
}

/** An IPv4-mapped address (RFC 4291 section 2.5.5.2) as the IPv4 address it is, so that spellings compare equal. */
export function unmapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 && sharesPrefix(bytes, mappedPrefix, 96) ? bytes.subarray(12) : bytes
}

const mappedPrefix = addressBytes('::ffff:0:0')!

type Row = readonly [cidr: string, kind: AddressKind]

// First match wins. RFC 6890 and the IANA special-purpose registries; the metadata services are those of the large
// clouds (EC2, ECS, EKS, Azure, Oracle, Alibaba): one request to them hands out the machine's own credentials.
const v4 = table([
  ['169.254.169.254/32', 'metadata'],
  ['169.254.169.253/32', 'metadata'],
  ['169.254.169.123/32', 'metadata'],
  ['169.254.170.2/32', 'metadata'],
  ['169.254.170.23/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['192.0.0.192/32', 'metadata'],
  ['100.100.100.200/32', 'metadata'],
  ['0.0.0.0/8', 'special'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link_local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'special'],
  ['192.0.2.0/24', 'special'],
  ['192.88.99.0/24', 'special'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'special'],
  ['203.0.113.0/24', 'special'],
  ['224.0.0.0/4', 'special'],
  ['240.0.0.0/4', 'special'],
])

const v6 = table([
  ['fd00:ec2::254/128', 'metadata'],
  ['fd00:ec2::23/128', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
  ['::/128', 'special'],
  ['::1/128', 'loopback'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link_local'],
  ['fec0::/10', 'special'],
  ['ff00::/8', 'special'],
  ['2001::/23', 'special'],
  ['2001:db8::/32', 'special'],
  ['3fff::/20', 'special'],
  ['2000::/3', 'public'],
  // What the address plan has not given to the public internet is not the public internet.
  ['::/0', 'special'],
])

/**
 * Where the 32 bits of an IPv4 address lie in an IPv6 address that stands for it, and what the form itself is when
 * that IPv4 address is public: only the well-known NAT64 prefix (RFC 6052) and the mapped form lead to the public
 * internet; the others are local or given up (RFC 4291, RFC 7526, RFC 8215).
 */
const embeddings: readonly { prefix: Uint8Array; bits: number; at: readonly number[][]; whenPublic: AddressKind }[] = [
  { cidr: '::ffff:0:0/96', at: [[12, 13, 14, 15]], whenPublic: 'public' as const },
  { cidr: '::ffff:0:0:0/96', at: [[12, 13, 14, 15]], whenPublic: 'special' as const },
  { cidr: '64:ff9b::/96', at: [[12, 13, 14, 15]], whenPublic: 'public' as const },
  {
    cidr: '64:ff9b:1::/48',
    at: [
      [6, 7, 9, 10],
      [12, 13, 14, 15],
    ],
    whenPublic: 'private' as const,
  },
  { cidr: '2002::/16', at: [[2, 3, 4, 5]], whenPublic: 'special' as const },
  {
    // Teredo (RFC 4380): the server in clear, the client's address inverted.
    cidr: '2001::/32',
    at: [
      [4, 5, 6, 7],
      [-12, -13, -14, -15],
    ],
    whenPublic: 'special' as const,
  },
  { cidr: '::/96', at: [[12, 13, 14, 15]], whenPublic: 'special' as const },
].map(({ cidr, at, whenPublic }) => ({ ...network(cidr), at, whenPublic }))

/**
 * Judges one resolved address. An IPv6 address that carries an IPv4 address is judged by it; text that is no address is
 * `special`, so that nothing unreadable is ever dialled.
 */
export function judgeAddress(ip: string): AddressKind {
  const bytes = addressBytes(ip)
  return bytes === undefined ? 'special' : judgeBytes(bytes)
}

/**
 * What a whole network is for: the kind of the range it lies in, or undefined when it is wider than any range and so
 * holds several kinds.
 */
export function judgeNetwork(prefix: Uint8Array, bits: number): AddressKind | undefined {
  if (bits === prefix.length * 8) return judgeBytes(prefix)
  const rows = prefix.length === 4 ? v4 : v6
  return rows.find(row => row.bits > 0 && row.bits <= bits && sharesPrefix(prefix, row.prefix, row.bits))?.kind
}

function judgeBytes(bytes: Uint8Array): AddressKind {
  if (bytes.length === 4) return lookUp(v4, bytes) ?? 'public'
  const plain = lookUp(v6, bytes)!
  if (plain === 'loopback' || plain === 'metadata' || bytes.every(byte => byte === 0)) return plain
  for (const { prefix, bits, at, whenPublic } of embeddings) {
    if (!sharesPrefix(bytes, prefix, bits)) continue
    const inner = at.map(places => judgeBytes(Uint8Array.from(places, i => (i < 0 ? 255 - bytes[-i]! : bytes[i]!))))
    return inner.find(kind => kind !== 'public' && kind !== 'special') ?? inner.find(k => k !== 'public') ?? whenPublic
  }
  return plain
}

function table(rows: readonly Row[]) {
  return rows.map(([cidr, kind]) => ({ ...network(cidr), kind }))
}

function network(cidr: string): { prefix: Uint8Array; bits: number } {
  const [ip = '', bits] = cidr.split('/')
  return { prefix: addressBytes(ip)!, bits: Number(bits) }
}

function lookUp(rows: ReturnType<typeof table>, bytes: Uint8Array): AddressKind | undefined {
  return rows.find(row => sharesPrefix(bytes, row.prefix, row.bits))?.kind
}
