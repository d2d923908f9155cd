import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { decrypt, encrypt, fromBase64url } from './envelope.ts'

/**
 * The key above all others: it wraps tenant keys and does nothing else. A file holds it, or a key service that never
 * gives it out; hence the promises.
 */
export interface RootKey {
  /** Names the key and tells nothing of it; no dot in it. */
  readonly id: string
  /** Text without a dot at its ends; bound to `aad`. */
  wrap(plain: Uint8Array, aad: Uint8Array): Promise<string>
  /** Undefined when this key, or this `aad`, is not the one it was wrapped with. */
  unwrap(wrapped: string, aad: Uint8Array): Promise<Buffer | undefined>
}

export const rootKeyLength = 32

/** A root key whose bytes are in this process. Takes the bytes over: they are zeros afterwards. */
export function rootKeyFromBytes(bytes: Buffer, random: (size: number) => Buffer = randomBytes): RootKey {
  if (bytes.length !== rootKeyLength) throw new TypeError('A root key is 32 bytes')
  const id = createHmac('sha256', bytes).update('valetkey root key id').digest('base64url').slice(0, 16)
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return {
    id,
    async wrap(plain, aad) {
      const iv = random(12)
      return Buffer.concat([iv, encrypt(key, iv, aad, plain)]).toString('base64url')
    },
    async unwrap(wrapped, aad) {
      const whole = fromBase64url(wrapped)
      if (whole === undefined) return undefined
      return decrypt(key, whole.subarray(0, 12), aad, whole.subarray(12))
    },
  }
}
