import { Secret } from '../../core/secret.ts'

export type CallbackVerdict =
  | { readonly kind: 'code'; readonly code: Secret; readonly state: string }
  /** The provider said no. The code is evidence; nothing else of what it said is kept. */
  | { readonly kind: 'error'; readonly error: string; readonly state: string }
  | { readonly kind: 'refused'; readonly why: string }

/** What is known of who must have answered: `iss` of RFC 9207. */
export interface ExpectedIssuer {
  readonly issuer?: string
  /** The provider states that it always sends `iss`. */
  readonly issParameter: boolean
}

const maxParameters = 40
const longest: Readonly<Record<string, number>> = { code: 4_096, state: 512, iss: 2_048 }
const longestOther = 4_096

/**
 * Judges the parameters of an authorization response (RFC 6749 section 4.1.2) before anything is believed or sent. The
 * issuer is compared as a plain text and before the error is looked at (RFC 9207 section 2.4, row 6).
 */
export function judgeCallback(parameters: URLSearchParams, expected: ExpectedIssuer): CallbackVerdict {
  const seen = new Map<string, string>()
  for (const [name, value] of parameters) {
    // Two parsers may disagree on which of two wins, so there must be only one (RFC 6749 section 3.1).
    if (seen.has(name)) return refused('a parameter stands there twice')
    if (seen.size >= maxParameters || name.length > 128) return refused('there are more parameters than we accept')
    if (value.length > (longest[name] ?? longestOther)) return refused('a parameter is longer than we accept')
    seen.set(name, value)
  }
  const fault = issuerFault(seen.get('iss'), expected)
  if (fault !== undefined) return refused(fault)
  const state = seen.get('state')
  if (state === undefined || state === '') return refused('there is no state')
  if (seen.has('access_token') || seen.has('id_token') || seen.has('response')) {
    return refused('the answer is not of the response type `code`')
  }
  const code = seen.get('code')
  const error = seen.get('error')
  if (error !== undefined) {
    if (code !== undefined) return refused('there is a code and an error')
    return { kind: 'error', error: /^[a-z0-9_.-]{1,64}$/.test(error) ? error : 'unrecognised', state }
  }
  if (code === undefined || !/^[\x20-\x7e]+$/.test(code)) return refused('there is no code of printable ASCII')
  return { kind: 'code', code: new Secret(code), state }
}

function issuerFault(iss: string | undefined, expected: ExpectedIssuer): string | undefined {
  if (iss === undefined) return expected.issParameter ? 'the provider always sends `iss`, and it is missing' : undefined
  if (expected.issuer === undefined) {
    return expected.issParameter ? 'the provider sent `iss`, and its issuer is not known here' : undefined
  }
  return iss === expected.issuer ? undefined : 'the `iss` is not the issuer of this integration'
}

function refused(why: string): CallbackVerdict {
  return { kind: 'refused', why }
}
