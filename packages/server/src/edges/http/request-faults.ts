import { Failure } from '../../core/failure.ts'
import { asFailure } from './problem.ts'

/** What Node's parser refused, in our words. */
export function failureOfParser(code: string | undefined): Failure {
  switch (code) {
    case 'HPE_INVALID_METHOD':
      return new Failure(
        'method_not_allowed',
        'This method is not known. Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.',
      )
    case 'HPE_HEADER_OVERFLOW':
      return new Failure('payload_too_large', 'The headers are larger than 32 KiB. Send less.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Failure('validation_failed', 'The headers did not come in time. Send the request again, whole.', {
        errors: [{ pointer: '', detail: 'The headers did not come in time.' }],
      })
    default:
      return new Failure('validation_failed', 'This is no well-formed HTTP request.', {
        errors: [{ pointer: '', detail: 'This is no well-formed HTTP request.' }],
      })
  }
}

/** Fastify's own errors in our words. */
export function failureOfFastify(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  const error = thrown as {
    readonly code?: string
    readonly statusCode?: number
    readonly validation?: readonly {
      readonly instancePath: string
      readonly message?: string
      readonly params: Record<string, unknown>
    }[]
    readonly validationContext?: string
  }
  if (error.validation !== undefined) {
    const faults = error.validation.map(fault => {
      const member = fault.params.additionalProperty ?? fault.params.missingProperty
      const pointer =
        typeof member === 'string'
          ? `${fault.instancePath}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`
          : fault.instancePath
      const detail =
        fault.params.additionalProperty !== undefined
          ? 'This member is not known here. Remove it, or check its spelling.'
          : fault.params.missingProperty !== undefined
            ? 'This member is required.'
            : `This ${fault.message ?? 'is not valid'}${Array.isArray(fault.params.allowedValues) ? `: ${fault.params.allowedValues.join(', ')}` : ''}.`
      return { pointer, detail }
    })
    const where = error.validationContext === 'querystring' ? 'query' : 'body'
    return new Failure(
      'validation_failed',
      `The ${where} is not valid: ${faults.map(fault => `${fault.pointer || '/'}: ${fault.detail}`).join(' ')}`,
      {
        errors: faults,
      },
    )
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Failure('payload_too_large', 'The body is larger than 1 MiB. Send less.')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Failure('validation_failed', 'The content type is not understood here. Send application/json.', {
        errors: [{ pointer: '', detail: 'Send application/json.' }],
      })
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new Failure('validation_failed', 'The body is not JSON.', {
        errors: [{ pointer: '', detail: 'The body is not JSON.' }],
      })
  }
  if (error.statusCode === 400)
    return new Failure('validation_failed', 'The request could not be parsed.', {
      errors: [{ pointer: '', detail: 'The request could not be parsed.' }],
    })
  return asFailure(thrown)
}
