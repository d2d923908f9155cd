import { networkInterfaces } from 'node:os'
import { addressBytes, judgeAddress, sharesPrefix, unmapped } from './address-rules.ts'

/** A place of ours that no call may reach: a listener or the database. */
export interface OwnPlace {
  readonly host: string
  readonly port: number
}

/** Addresses of this machine's interfaces, asked anew each time because they come and go. */
export function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(entry => entry.address))
}

/**
 * Whether a checked address and port is one of ours. Every spelling of loopback counts as every other; a listener on
 * all interfaces (`0.0.0.0`, `::`) is met on each address of the machine; a place known by name is met by that name
 * and by what it resolves to (`placeAddresses`).
 */
export function isOwn(
  target: { hostname: string; address: string; port: number },
  places: readonly (OwnPlace & { readonly addresses: readonly string[] })[],
  machine: readonly string[],
): boolean {
  return places.some(place => {
    if (place.port !== target.port) return false
    if (nameOf(place.host) === nameOf(target.hostname)) return true
    return [place.host, ...place.addresses].some(address => meets(target.address, address, machine))
  })
}

function meets(target: string, own: string, machine: readonly string[]): boolean {
  const ownBytes = addressBytes(own)
  const targetBytes = addressBytes(target)
  if (ownBytes === undefined || targetBytes === undefined) return false
  const isLocalTarget = isThisHost(target) || machine.some(address => isSame(targetBytes, addressBytes(address)))
  if (isUnspecified(ownBytes)) return isLocalTarget
  if (isThisHost(own)) return isThisHost(target)
  return isSame(targetBytes, ownBytes)
}

function isThisHost(address: string): boolean {
  return judgeAddress(address) === 'loopback' || isUnspecified(addressBytes(address)!)
}

function isUnspecified(bytes: Uint8Array): boolean {
  return unmapped(bytes).every(byte => byte === 0)
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  if (b === undefined) return false
  const plain = unmapped(a)
  return sharesPrefix(plain, unmapped(b), plain.length * 8)
}

function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^\[|\]$/g, '')
}
