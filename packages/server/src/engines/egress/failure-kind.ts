import { errors } from 'undici'
import { EgressFailure } from './egress.ts'

/**
 * What went wrong under undici, in our words. `sent`: the request was handed to a socket; `answered`: the head of an
 * answer has arrived. The provider's or runtime's own words stay in `cause`, for the log.
 */
export function asEgressFailure(error: unknown, sent: boolean, answered: boolean): EgressFailure {
  if (error instanceof EgressFailure) {
    return error.sent === sent ? error : new EgressFailure(error.kind, error.message, sent, error.cause)
  }
  const code = String((error as { code?: unknown } | undefined)?.code ?? '')
  // undici gives its parser's errors a name and no code; an end in the middle is a cut, everything else is not HTTP.
  const isNotHttp = error instanceof errors.HTTPParserError && !error.message.includes('EOF')
  const [kind, message] = isNotHttp ? malformedAnswer : describe(code, sent, answered)
  return new EgressFailure(kind, message, sent, summary(error, code))
}

/** The parser's errors carry bytes of the answer, which may echo a secret: the log gets the words alone (P1). */
function summary(error: unknown, code: string): Error {
  const { name = 'Error', message = String(error) } = error instanceof Error ? error : {}
  const words = new Error([name, code, message].filter(word => word !== '').join(': '))
  delete words.stack
  return words
}

type Description = readonly [EgressFailure['kind'], string]

const malformedAnswer: Description = ['malformed', 'The answer is not HTTP/1.1 as it should be.']

function describe(code: string, sent: boolean, answered: boolean): Description {
  switch (code) {
    case 'UND_ERR_HEADERS_TIMEOUT':
      return ['timeout', 'The provider did not begin its answer in time.']
    case 'UND_ERR_BODY_TIMEOUT':
      return ['timeout', 'The provider stopped in the middle of its answer.']
    case 'UND_ERR_CONNECT_TIMEOUT':
      return ['timeout', 'The provider did not take the connection in time.']
    case 'UND_ERR_HEADERS_OVERFLOW':
      return ['too_large', 'The headers of the answer are larger than 64 KiB.']
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_NOT_SUPPORTED':
      return ['malformed', 'The request has a header, method or path that cannot be sent.']
    case 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH':
      return ['malformed', 'The body of the request is not as long as its Content-Length says.']
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return ['aborted', 'The server is closing.']
  }
  // Before the head this is a head that contradicts itself; after it, a body that ended too soon.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' && !answered) return malformedAnswer
  if (sent || answered) return ['cut', 'The provider closed the connection before the answer was complete.']
  return ['unreachable', 'The provider could not be reached.']
}
