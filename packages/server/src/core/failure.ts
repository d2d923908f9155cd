import { type ErrorCode, errors, type FieldFault, type Reason } from '@valetkey/contract/errors'

/** What a failure may carry to the caller beside its code and detail. All of it is shown. */
export interface FailureMembers {
  readonly errors?: readonly FieldFault[]
  readonly reasons?: readonly Reason[]
  readonly retryAfterSeconds?: number
  /** Further members of the problem document, by their wire names (`connect_url`, `candidates` …). */
  readonly members?: Readonly<Record<string, unknown>>
}

/**
 * The one error class. `detail` is written for the caller; `cause` is for the log and never shown.
 */
export class Failure extends Error {
  readonly code: ErrorCode
  readonly more: FailureMembers
  constructor(code: ErrorCode, detail: string, more: FailureMembers & { readonly cause?: unknown } = {}) {
    const { cause, ...shown } = more
    super(detail, cause === undefined ? undefined : { cause })
    this.name = 'Failure'
    this.code = code
    this.more = shown
  }
  get status(): number {
    return errors[this.code].status
  }
}

/** 400 with one fault at a JSON pointer (RFC 6901). */
export function invalid(pointer: string, detail: string): Failure {
  return new Failure('validation_failed', detail, { errors: [{ pointer, detail }] })
}

/** 404, the same whether the thing is unknown or somebody else's. */
export function notFound(): Failure {
  return new Failure('not_found', 'Nothing by that id is in reach of this token. Check the id.')
}
