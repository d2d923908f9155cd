/**
 * Ids are `{prefix}_{26 characters of Crockford base 32, lower case}`: 48 bits of milliseconds, then 80 random bits, so
 * that they sort by the time they were made. Each noun has a type of its own, so that one cannot stand for another.
 */
declare const kind: unique symbol

export type Id<Prefix extends string> = string & { readonly [kind]: Prefix }
export type TenantId = Id<'ten'>
export type UserId = Id<'usr'>
export type IntegrationId = Id<'int'>
export type ConnectionId = Id<'con'>
export type AgentId = Id<'agt'>
export type AppId = Id<'app'>
export type OperatorId = Id<'opr'>
export type ClientId = AgentId | AppId | OperatorId
export type GrantId = Id<'grt'>
export type TaskId = Id<'tsk'>
export type EventId = Id<'evt'>
export type SessionId = Id<'ses'>
export type RequestId = Id<'req'>

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Makes an id from a time in milliseconds and 10 random bytes, both given by the caller. */
export function makeId<Prefix extends string>(prefix: Prefix, timeMs: number, random: Uint8Array): Id<Prefix> {
  if (random.length !== 10) throw new TypeError('makeId wants 10 random bytes')
  let out = timePart(timeMs)
  let bits = 0
  let value = 0
  for (const byte of random) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += alphabet[(value >> bits) & 31]!
    }
    value &= (1 << bits) - 1
  }
  return `${prefix}_${out}` as Id<Prefix>
}

let lastTime = Number.NaN
let lastPart = ''

/** Ids come in bursts: those of one millisecond begin alike. */
function timePart(timeMs: number): string {
  if (timeMs === lastTime) return lastPart
  let out = ''
  let left = timeMs
  for (let i = 0; i < 10; i++) {
    out = alphabet[left % 32]! + out
    left = Math.floor(left / 32)
  }
  lastTime = timeMs
  lastPart = out
  return out
}

/** Whether a text has the form of an id of that kind. */
export function isId<Prefix extends string>(prefix: Prefix, text: unknown): text is Id<Prefix> {
  return typeof text === 'string' && text.startsWith(`${prefix}_`) && /^[a-z]{3}_[0-9a-z]{26}$/.test(text)
}
