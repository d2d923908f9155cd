import type { ErrorCode, FieldFault, Problem, Reason } from './wire.ts'

/**
 * What went wrong, in one word: a code of Valetkey's problem documents, or one of ours: `oauth_error` (the token
 * endpoint refused; `oauthError` has RFC 6749's word), `unreachable` (no answer came), `unexpected_answer` (an answer
 * came that Valetkey does not give).
 */
export type ValetkeyErrorCode = ErrorCode | 'oauth_error' | 'unreachable' | 'unexpected_answer'

/** What a `ValetkeyError` is made of. */
export interface ValetkeyErrorFacts {
  readonly code: ValetkeyErrorCode
  readonly status: number
  readonly title?: string
  readonly detail: string
  readonly requestId?: string
  readonly reasons?: readonly Reason[]
  readonly errors?: readonly FieldFault[]
  readonly oauthError?: string
  readonly retryAfterSeconds?: number
  readonly problem?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * Every error of this client, told apart by `code`. What a provider itself answers is never one: it comes as a
 * `Response`.
 *
 * ```ts
 * catch (error) {
 *   if (ValetkeyError.is(error, 'needs_reauth')) showLink(error.connectUrl)
 *   else throw error
 * }
 * ```
 */
export class ValetkeyError extends Error {
  readonly code: ValetkeyErrorCode
  /** HTTP status; 0 when no answer came. */
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly requestId: string | undefined
  /** All reasons that hold, each with its fix; `code` is the first. */
  readonly reasons: readonly Reason[]
  /** Faults of the request, by JSON pointer. */
  readonly errors: readonly FieldFault[]
  readonly oauthError: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** The whole problem document, for members that have no property here. */
  readonly problem: Readonly<Record<string, unknown>>

  constructor(facts: ValetkeyErrorFacts) {
    super(facts.detail, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'ValetkeyError'
    this.code = facts.code
    this.status = facts.status
    this.title = facts.title ?? facts.detail
    this.detail = facts.detail
    this.requestId = facts.requestId
    this.reasons = facts.reasons ?? []
    this.errors = facts.errors ?? []
    this.oauthError = facts.oauthError
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.problem = facts.problem ?? {}
  }

  /** Where the owner connects the account, or connects it again. */
  get connectUrl(): string | undefined {
    return text(this.problem.connect_url)
  }

  /** Where the owner is asked for a grant. */
  get requestUrl(): string | undefined {
    return text(this.problem.request_url)
  }

  /** Scopes at the provider that the connection would need. */
  get requiredScopes(): readonly string[] {
    return texts(this.problem.required_scopes)
  }

  /** Connections that were meant by an ambiguous name. */
  get candidates(): readonly string[] {
    return texts(this.problem.candidates)
  }

  /** Is this one of ours, and of that code? */
  static is<C extends ValetkeyErrorCode>(value: unknown, code?: C): value is ValetkeyError & { readonly code: C } {
    return value instanceof ValetkeyError && (code === undefined || value.code === code)
  }
}

/**
 * Judges an answer that is an error of Valetkey: problem documents (RFC 9457), OAuth errors (RFC 6749 section 5.2), and
 * what a proxy on the way may have put in their place. Reads the body.
 */
export async function errorOf(response: Response): Promise<ValetkeyError> {
  const body = await readObject(response)
  const requestId = text(body?.request_id) ?? response.headers.get('x-request-id') ?? undefined
  const retryAfterSeconds = secondsOf(response.headers.get('retry-after'))
  const seen = {
    status: response.status,
    ...(requestId !== undefined && { requestId }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
  const code = text(body?.code) ?? response.headers.get('valetkey-error') ?? undefined
  if (code !== undefined) {
    const problem = body as Partial<Problem> | undefined
    const title = text(problem?.title)
    return new ValetkeyError({
      ...seen,
      code: code as ErrorCode,
      ...(title !== undefined && { title }),
      detail: text(problem?.detail) ?? title ?? `Valetkey answered ${response.status} ${code}.`,
      reasons: Array.isArray(problem?.reasons) ? problem.reasons : [],
      errors: Array.isArray(problem?.errors) ? problem.errors : [],
      problem: body ?? {},
    })
  }
  const oauthError = text(body?.error)
  if (oauthError !== undefined) {
    const described = text(body?.error_description)
    return new ValetkeyError({
      ...seen,
      code: 'oauth_error',
      oauthError,
      title: `The token endpoint refused: ${oauthError}`,
      detail: described ?? `The token endpoint answered ${oauthError}. Check the client id, its secret and its scopes.`,
      problem: body ?? {},
    })
  }
  return new ValetkeyError({
    ...seen,
    code: 'unexpected_answer',
    title: 'This answer is not one of Valetkey',
    detail: `Expected an answer of Valetkey and got status ${response.status} without a problem document. Check that the URL is Valetkey's base URL and what stands before it.`,
  })
}

async function readObject(response: Response): Promise<Record<string, unknown> | undefined> {
  try {
    const value: unknown = JSON.parse(await response.text())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function secondsOf(header: string | null): number | undefined {
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}
