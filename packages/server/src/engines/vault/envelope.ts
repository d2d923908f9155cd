import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

const ivLength = 12
const tagLength = 16

/**
 * AES-256-GCM (NIST SP 800-38D). The answer is ciphertext and 16-byte tag in one. An iv must never meet the same key
 * twice: callers draw it at random, and record keys are used for one message only.
 */
export function encrypt(key: KeyObject, iv: Uint8Array, aad: Uint8Array, plain: Uint8Array): Buffer {
  if (iv.length !== ivLength) throw new TypeError('An iv is 12 random bytes')
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength })
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Undoes `encrypt`, or undefined when key, iv, associated data, ciphertext or tag is not the one it was made with. */
export function decrypt(key: KeyObject, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  if (iv.length !== ivLength || sealed.length < tagLength) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(sealed.length - tagLength))
  const plain = decipher.update(sealed.subarray(0, sealed.length - tagLength))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch {
    return undefined
  } finally {
    plain.fill(0)
  }
}

/** Strict base64url (RFC 4648 section 5): one spelling for each value, so that no altered text decodes to the same. */
export function fromBase64url(text: string | undefined, length?: number): Buffer | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) return undefined
  return length === undefined || bytes.length === length ? bytes : undefined
}
