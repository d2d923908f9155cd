import { Failure } from '../../core/failure.ts'
import type { EgressFailure } from '../../engines/egress/egress.ts'

/** What an agent hears when the provider could not be asked or did not answer. What happened in detail is for the log. */
export function failureOfEgress(failure: EgressFailure): Failure {
  const cause = { cause: failure }
  switch (failure.kind) {
    case 'not_allowed':
      return new Failure(
        'host_not_allowed',
        'The address of this provider may not be reached from here. Ask the operator to run `valetkey doctor`.',
        cause,
      )
    case 'timeout':
      return new Failure('provider_timeout', 'The provider did not answer in time. Try again later.', cause)
    case 'busy':
      return new Failure('unavailable', 'Too many calls wait for this provider. Nothing was sent; try again later.', {
        ...cause,
        retryAfterSeconds: 2,
      })
    case 'too_large':
      return new Failure('provider_answer_refused', 'The headers of the answer are too large.', cause)
    case 'malformed':
      return failure.sent
        ? new Failure('provider_answer_refused', 'The provider did not answer in well-formed HTTP.', cause)
        : new Failure('validation_failed', 'The request cannot be sent as it is. Check its path, query and headers.', {
            ...cause,
            errors: [{ pointer: '', detail: failure.message }],
          })
    case 'cut':
      return new Failure(
        'provider_unavailable',
        'The provider closed the connection without an answer. Whether it acted on the request is not known.',
        cause,
      )
    case 'unreachable':
      return new Failure('provider_unavailable', 'The provider could not be reached. Try again later.', {
        ...cause,
        retryAfterSeconds: 5,
      })
    case 'aborted':
      // The upload failed, and says itself why.
      if (failure.cause instanceof Failure) return failure.cause
      return new Failure('unavailable', 'The call was stopped because the server is closing. Send it again.', {
        ...cause,
        retryAfterSeconds: 2,
      })
  }
}
