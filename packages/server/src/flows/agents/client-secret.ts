import { createHash, timingSafeEqual } from 'node:crypto'
import { Secret } from '../../core/secret.ts'

/**
 * What `secretHash` of a client holds: the SHA-256 of each live secret, base64url, separated by spaces. One that is on
 * its way out carries its end in milliseconds: `{hash}@{time}`. Two at most are live, so that a secret can be changed
 * without a moment in which neither works (row 80). The secrets have 256 bits: a plain hash cannot be searched.
 */
interface LiveSecret {
  readonly hash: Buffer
  readonly endsAt?: number
}

/** A new client secret from 32 random bytes. It is shown once. */
export function makeSecret(random: (bytes: number) => Buffer): Secret {
  return new Secret(random(32).toString('base64url'))
}

/** The stored form of a client's only secret. */
export function hashSecret(secret: Secret): string {
  return digest(secret.reveal()).toString('base64url')
}

/** The stored form when `secret` becomes the current one and the present one works until `oldEndsAt`. */
export function addSecret(stored: string | undefined, secret: Secret, oldEndsAt: number): string {
  const current = stored?.split(' ')[0]?.split('@')[0]
  return current === undefined ? hashSecret(secret) : `${hashSecret(secret)} ${current}@${oldEndsAt}`
}

/** Whether `given` is a live secret. Every comparison is made and takes the same time, whatever it finds (row 31). */
export function isSecret(stored: string, given: string, now: number): boolean {
  const hash = digest(given)
  let found = false
  for (const live of parse(stored)) {
    const equal = live.hash.length === hash.length && timingSafeEqual(live.hash, hash)
    const isLive = live.endsAt === undefined || now < live.endsAt
    found = (equal && isLive) || found
  }
  return found
}

function parse(stored: string): LiveSecret[] {
  return stored.split(' ').map(entry => {
    const [hash, endsAt] = entry.split('@')
    return { hash: Buffer.from(hash ?? '', 'base64url'), ...(endsAt !== undefined && { endsAt: Number(endsAt) }) }
  })
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}
