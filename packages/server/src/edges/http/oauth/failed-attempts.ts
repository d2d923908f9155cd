import { isIPv6 } from 'node:net'

/** How a source of guesses stands. */
export type Standing = { readonly kind: 'open' } | { readonly kind: 'closed'; readonly retryAfterSeconds: number }

/** Counts failed client authentications, and closes the door for a while when there are too many (rows 31, 81). */
export interface FailedAttempts {
  standing(client: string, ip: string | undefined): Standing
  /** Returns how many this client and address have failed in the present window, this one included. */
  count(client: string, ip: string | undefined): number
}

const windowMs = 60_000
/** Failures in a window for one client from one address: a person who mistypes a deployment does not reach it. */
export const mostForClient = 20
/** Failures in a window from one address, over all clients: behind one proxy many clients may share it. */
export const mostForAddress = 300
// Bounds memory. Who wants to push an entry out has to fail from as many addresses.
/** Sources of failures that are counted at once. */
export const mostEntries = 20_000

interface Entry {
  readonly since: number
  failures: number
}

/** Only failures count, so that a busy client with a good secret is never slowed. */
export function createFailedAttempts(now: () => number): FailedAttempts {
  const entries = new Map<string, Entry>()

  function find(key: string): Entry | undefined {
    const entry = entries.get(key)
    const age = entry === undefined ? 0 : now() - entry.since
    if (entry === undefined || (age >= 0 && age < windowMs)) return entry
    entries.delete(key)
    return undefined
  }

  function add(key: string): number {
    const entry = find(key)
    if (entry !== undefined) return ++entry.failures
    if (entries.size >= mostEntries) entries.delete(entries.keys().next().value!)
    entries.set(key, { since: now(), failures: 1 })
    return 1
  }

  return {
    standing(client, ip) {
      const address = networkOf(ip)
      for (const [key, most] of [
        [`${address} ${client}`, mostForClient],
        [address, mostForAddress],
      ] as const) {
        const entry = find(key)
        if (entry !== undefined && entry.failures >= most)
          return { kind: 'closed', retryAfterSeconds: Math.max(1, Math.ceil((entry.since + windowMs - now()) / 1000)) }
      }
      return { kind: 'open' }
    },
    count(client, ip) {
      const address = networkOf(ip)
      add(address)
      return add(`${address} ${client}`)
    },
  }
}

/** One subscriber has a whole IPv6 /64; an IPv4 address stands for itself. */
function networkOf(ip: string | undefined): string {
  if (ip === undefined || !isIPv6(ip)) return ip ?? 'unknown'
  const [head = '', tail] = ip.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    while (groups.length + last.length < 8) groups.push('0')
    groups.push(...last)
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
