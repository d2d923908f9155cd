import type { TokenAnswer } from './oauth.ts'

type ErrorClass = Extract<TokenAnswer, { kind: 'error' }>['class']

/** `invalid_grant` (RFC 6749 section 5.2) and how vendors spell it: the person has to connect again. */
const needsPerson = new Set([
  'invalid_grant',
  'invalid_refresh_token',
  'bad_refresh_token',
  'refresh_token_expired',
  'expired_refresh_token',
  'token_expired',
  'expired_token',
  'token_revoked',
  'invalid_token',
  'invalid_auth',
  'account_inactive',
  'user_removed_from_team',
  'bad_auth_code',
  'bad_verification_code',
  'invalid_code',
  'invalid_code_verifier',
  'code_already_used',
  'code_expired',
  'interaction_required',
  'login_required',
  'consent_required',
])

/** The client's own credentials are wrong: an operator has to mend the integration. */
const needsOperator = new Set([
  'invalid_client',
  'unauthorized_client',
  'bad_client_secret',
  'bad_client_id',
  'invalid_client_id',
  'invalid_client_secret',
  'incorrect_client_credentials',
  'client_not_found',
])

const passes = new Set([
  'temporarily_unavailable',
  'server_error',
  'slow_down',
  'ratelimited',
  'rate_limited',
  'rate_limit_exceeded',
  'too_many_requests',
  'internal_error',
  'internal_server_error',
  'service_unavailable',
  'fatal_error',
  'request_timeout',
  'timeout',
])

/**
 * What an error of a token endpoint asks for. The status goes before the words: a server that fails says nothing about
 * the token, whatever its body says, so a valid credential survives it (P5, row 72).
 */
export function errorClass(status: number, error: string): ErrorClass {
  if (status >= 500 || status === 429 || status === 408 || passes.has(error)) return 'transient'
  if (needsPerson.has(error)) return 'invalid_grant'
  if (needsOperator.has(error)) return 'invalid_client'
  return 'other'
}

/** Whether an error says that a token is already dead, which is what a revocation wanted. */
export function meansDeadToken(error: string): boolean {
  return ['invalid_token', 'token_revoked', 'token_expired', 'invalid_auth', 'account_inactive'].includes(error)
}
