import { inspect } from 'node:util'

/**
 * Plaintext that must not leave memory by accident: it does not print, serialise, concatenate or compare. Reading it is
 * the one call that review searches for: `secret.reveal()`.
 */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  /** The plaintext. Every call of this is a place where a secret can leak: keep them few. */
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [Symbol.toPrimitive](): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}

declare const sealed: unique symbol

/** Ciphertext made by the vault; the only form in which the store takes a secret. */
export type Sealed = string & { readonly [sealed]: true }
