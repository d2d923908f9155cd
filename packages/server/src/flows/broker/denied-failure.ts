import { Failure, notFound } from '../../core/failure.ts'
import type { Denied } from '../../core/permission/decide.ts'

/** A denial as the failure that stops a call, with every reason and its fix (CONTRACT 3). */
export function deniedFailure(denied: Denied): Failure {
  const { code, reasons, endedReason, requiredScopes } = denied
  const first = reasons[0]
  const detail = first === undefined ? 'The call is not allowed.' : `${first.detail} ${first.fix}`
  const members = {
    ...(code === 'grant_expired' && endedReason !== undefined && { ended_reason: endedReason }),
    ...(code === 'missing_scopes' && { required_scopes: requiredScopes ?? [] }),
    ...(code === 'connection_required' && { required_scopes: requiredScopes ?? scopesOf(denied) }),
  }
  // What is out of reach says nothing else, so that it looks the same as what does not exist.
  if (code === 'not_found') return notFound()
  return new Failure(code, detail, { reasons, ...(Object.keys(members).length > 0 && { members }) })
}

function scopesOf({ operation }: Denied): readonly string[] {
  return operation?.scopes.allOf ?? operation?.scopes.anyOf?.slice(0, 1) ?? []
}
