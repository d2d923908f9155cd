import { Failure } from '../../core/failure.ts'

/**
 * What a database's error means to a caller: a row that is there already is `conflict`; a database that is away, full,
 * busy or broken is `unavailable`. Everything else is a fault of ours and passes as it is.
 */
export function failureOf(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error)) return error
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (code === '23505' || (code === 'ERR_SQLITE_ERROR' && (errcode === 1555 || errcode === 2067))) {
    return new Failure('conflict', 'There is one of this name or id already. Use it, or choose another.', {
      cause: error,
    })
  }
  if (isAway(code, errcode, error.message)) {
    return new Failure('unavailable', 'The database does not answer as it should. Try again.', { cause: error })
  }
  return error
}

/** Two transactions stood in each other's way; PostgreSQL ended one of them, and it may be tried again. */
export function isRetryable(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown }
  return code === '40P01' || code === '40001'
}

/** Classes of SQLSTATE: connection, resources, operator, system, lock and statement timeouts, read-only standby. */
const awayStates = /^(08|53|57|58|55P03|25006|40P01|40001)/
/** Primary codes of SQLite: busy, locked, read-only, I/O, corrupt, full, cannot open. */
const awayPrimaries = new Set([5, 6, 8, 10, 11, 13, 14])

function isAway(code: unknown, errcode: unknown, message: string): boolean {
  if (code === 'ERR_SQLITE_ERROR') return awayPrimaries.has(Number(errcode) & 0xff)
  if (typeof code === 'string') return awayStates.test(code) || /^E[A-Z]+$/.test(code)
  // pg gives its own timeouts and broken connections no code.
  return /timeout|terminated|Connection ended|not queryable|Client has encountered/i.test(message)
}
