/**
 * Every error that a caller of the HTTP API can meet: one row each. The reference page and the problem documents are
 * made from this table; adding a code means adding a row.
 *
 * `step` says what the caller can do: fix the request, wait and try again, ask a person, or give up.
 */
export const errors = {
  validation_failed: { status: 400, title: 'The request is not valid', step: 'fix' },
  unauthorized: { status: 401, title: 'A valid access token is needed', step: 'fix' },
  insufficient_scope: { status: 403, title: 'The access token lacks a scope', step: 'fix' },
  grant_required: { status: 403, title: 'No live grant covers this agent and connection', step: 'person' },
  grant_expired: { status: 403, title: 'The grant has ended', step: 'person' },
  operation_not_permitted: { status: 403, title: 'The grant does not permit this operation', step: 'person' },
  missing_scopes: { status: 403, title: 'The connection lacks scopes at the provider', step: 'person' },
  approval_denied: { status: 403, title: 'The owner said no', step: 'give_up' },
  audience_denied: { status: 403, title: 'A viewer may not see this', step: 'give_up' },
  host_not_allowed: { status: 403, title: 'This host is not one of the connection', step: 'fix' },
  user_mismatch: { status: 403, title: 'Another person began this connect flow', step: 'give_up' },
  not_found: { status: 404, title: 'Not found', step: 'fix' },
  unknown_operation: { status: 404, title: 'No such operation', step: 'fix' },
  method_not_allowed: { status: 405, title: 'This method is not allowed here', step: 'fix' },
  connection_required: { status: 409, title: 'The account is not connected yet', step: 'person' },
  needs_reauth: { status: 409, title: 'The owner has to connect the account again', step: 'person' },
  conflict: { status: 409, title: 'The request conflicts with the present state', step: 'fix' },
  expired: { status: 410, title: 'This has expired', step: 'fix' },
  payload_too_large: { status: 413, title: 'The body is too large', step: 'fix' },
  rate_limited: { status: 429, title: 'Too many requests', step: 'wait' },
  quota_exhausted: { status: 429, title: 'The budget of the grant is used up', step: 'person' },
  internal: { status: 500, title: 'Something failed inside Valetkey', step: 'wait' },
  upgrade_not_supported: { status: 501, title: 'Protocol upgrades are not supported', step: 'give_up' },
  provider_unavailable: { status: 502, title: 'The provider could not be reached', step: 'wait' },
  provider_answer_refused: { status: 502, title: 'The answer of the provider was refused', step: 'give_up' },
  refresh_failed: { status: 503, title: 'The credential could not be renewed', step: 'wait' },
  unavailable: { status: 503, title: 'Valetkey cannot decide or record at the moment', step: 'wait' },
  retry_body: { status: 503, title: 'The credential was renewed; send the request again', step: 'wait' },
  provider_timeout: { status: 504, title: 'The provider did not answer in time', step: 'wait' },
} as const satisfies Record<string, ErrorRow>

export interface ErrorRow {
  readonly status: number
  readonly title: string
  readonly step: 'fix' | 'wait' | 'person' | 'give_up'
}

export type ErrorCode = keyof typeof errors

/** One reason why a call is not allowed, with what would mend it. */
export interface Reason {
  readonly code: ErrorCode
  readonly detail: string
  readonly fix: string
}

/** One fault of a request body or parameter; `pointer` is a JSON pointer (RFC 6901) into the body. */
export interface FieldFault {
  readonly pointer: string
  readonly detail: string
}

/** RFC 9457 problem document as it goes over the wire. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id: string
  readonly errors?: readonly FieldFault[]
  readonly reasons?: readonly Reason[]
  readonly [member: string]: unknown
}
