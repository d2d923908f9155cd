import { type ErrorCode, errors, type Problem } from '@valetkey/contract/errors'
import { Failure } from '../../core/failure.ts'

/** A failure as the problem document that goes over the wire (RFC 9457), with its status and headers. */
export interface RenderedProblem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Problem
}

export function renderProblem(failure: Failure, requestId: string): RenderedProblem {
  const { code, more } = failure
  const row = errors[code]
  return {
    status: row.status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'valetkey-error': code,
      ...(more.retryAfterSeconds !== undefined && { 'retry-after': String(more.retryAfterSeconds) }),
    },
    body: {
      type: `https://valetkey.dev/errors/${code}`,
      title: row.title,
      status: row.status,
      detail: failure.message,
      code,
      request_id: requestId,
      ...(more.errors !== undefined && { errors: more.errors }),
      ...(more.reasons !== undefined && { reasons: more.reasons }),
      ...more.members,
    },
  }
}

/** Any thrown thing as a Failure; what is not one is ours to be ashamed of and says nothing to the caller. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  return new Failure(
    'internal',
    'Something failed inside Valetkey. Try again; if it lasts, give the request id to the operator.',
    {
      cause: thrown,
    },
  )
}

/** Codes whose cause belongs in the log. */
export function isOurFault(code: ErrorCode): boolean {
  return errors[code].status >= 500
}
