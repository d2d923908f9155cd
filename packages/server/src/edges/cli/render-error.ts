import { errors } from '@valetkey/contract/errors'
import { ValetkeyError } from '@valetkey/sdk'
import { printable } from './printable.ts'
import { CommandFailed, UsageError } from './usage-error.ts'

/** An error as a program reads it with `--json`: the problem document, or for what is no answer of the API `ok: false` with code and detail. */
export function errorAsJson(error: unknown): object {
  if (error instanceof ValetkeyError) {
    return {
      title: error.title,
      status: error.status,
      detail: error.detail,
      code: error.code,
      ...(error.oauthError !== undefined && { error: error.oauthError }),
      ...(error.requestId !== undefined && { request_id: error.requestId }),
      ...error.problem,
    }
  }
  if (error instanceof UsageError) return { ok: false, code: 'usage', detail: error.message, fix: error.fix }
  if (error instanceof CommandFailed) return { ok: false, code: 'failed', detail: error.message, fix: error.fix }
  return { ok: false, code: 'internal', detail: messageOf(error) }
}

/** An error for people: what it is, what was wrong, every reason with its fix, and what to do next. */
export function errorForPeople(error: unknown): string {
  const lines = linesOf(error).map(printable)
  return [`valetkey: ${lines[0] ?? 'Something failed.'}`, ...lines.slice(1).map(line => `  ${line}`)].join('\n')
}

function linesOf(error: unknown): string[] {
  if (error instanceof UsageError || error instanceof CommandFailed) return [error.message, `Next: ${error.fix}`]
  if (!(error instanceof ValetkeyError)) return [messageOf(error)]
  const kind = error.status === 0 ? error.code : `${error.status} ${error.code}`
  return [
    `${error.title} (${kind})`,
    // With one fault the detail often is that fault, which the line below tells with its place.
    ...(error.detail === error.title || error.errors.some(fault => fault.detail === error.detail)
      ? []
      : [error.detail]),
    ...error.errors.map(({ pointer, detail }) => `${pointer === '' ? '(body)' : pointer}: ${detail}`),
    ...error.reasons.flatMap(({ code, detail, fix }) => [`- ${code}: ${detail}`, `  fix: ${fix}`]),
    ...(error.requiredScopes.length === 0 ? [] : [`Scopes needed: ${error.requiredScopes.join(' ')}`]),
    ...(error.candidates.length === 0 ? [] : [`One of: ${error.candidates.join(', ')}`]),
    `Next: ${nextStep(error)}`,
    ...(error.requestId === undefined ? [] : [`Request: ${error.requestId}`]),
  ]
}

function nextStep(error: ValetkeyError): string {
  const link = error.connectUrl ?? error.requestUrl
  if (link !== undefined) return `ask the owner to open ${link}`
  if (error.code === 'unreachable') return 'start the server, or mend --url or --data.'
  if (error.code === 'oauth_error') return 'check VALETKEY_CLIENT_ID and VALETKEY_CLIENT_SECRET.'
  if (error.code === 'unauthorized')
    return 'check VALETKEY_TOKEN, or the client id and secret: the token is missing or not valid any more.'
  if (error.code === 'insufficient_scope') return 'use the credentials of a client that has this scope.'
  if (error.code === 'unexpected_answer') return "check that --url is Valetkey's base URL."
  // A newer server may know codes that this table does not.
  const step = (errors as Readonly<Record<string, { readonly step: string } | undefined>>)[error.code]?.step
  if (step === 'person') return 'ask the owner of the account.'
  if (step === 'give_up') return 'this will not be allowed; do it another way.'
  if (step === 'wait') {
    return error.retryAfterSeconds === undefined ? 'wait and try again.' : `try again in ${error.retryAfterSeconds} s.`
  }
  return 'mend the command and try again.'
}

/** With its causes: what really happened often stands one level below. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Something failed.'
  return error.cause instanceof Error ? `${error.message} (${messageOf(error.cause)})` : error.message
}
