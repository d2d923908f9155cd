import { Failure } from '../../core/failure.ts'

/**
 * The vault did not answer. What does not open never says why: an answer that told a wrong owner from a flipped byte
 * would help whoever tries.
 */
export class VaultFailure extends Failure {
  constructor(code: 'internal' | 'unavailable', detail: string, cause?: unknown) {
    super(code, detail, cause === undefined ? {} : { cause })
    this.name = 'VaultFailure'
  }
}

/** The one answer to everything that cannot be opened. */
export function doesNotOpen(): VaultFailure {
  return new VaultFailure('internal', 'A sealed value does not open here.')
}

/** Keys are missing, or this root key is not theirs: for the operator. `cause` has the next step. */
export class KeyFault extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'KeyFault'
  }
}

/** A fault of our keys, as callers of the API see it. */
export function keysUnavailable(cause: unknown): VaultFailure {
  return new VaultFailure(
    'unavailable',
    'Valetkey cannot open its keys at the moment. Its operator should run `valetkey doctor`.',
    cause,
  )
}
