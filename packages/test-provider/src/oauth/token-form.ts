import { type Exchange, jsonObject } from '../http/exchange.ts'
import type { OAuthRefusal, ProviderState } from './provider-state.ts'

export type FormVerdict =
  | { readonly kind: 'form'; readonly form: ReadonlyMap<string, string> }
  | { readonly kind: 'refused'; readonly refusal: OAuthRefusal }

/**
 * The parameters of a request to an OAuth endpoint: a form (RFC 6749 section 3.2), or with the quirk JSON only. Nothing
 * in the query, nothing twice.
 */
export function readForm(state: ProviderState, exchange: Exchange): FormVerdict {
  const refused = (detail: string): FormVerdict => ({
    kind: 'refused',
    refusal: { status: 400, error: 'invalid_request', detail },
  })
  if (exchange.query.size > 0) return refused('parameters belong in the body, not in the query')
  if (exchange.record.bodyBytes > 65_536) return refused('the body is longer than 64 KiB')
  const type = (exchange.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const form = new Map<string, string>()
  if (state.quirks.has('json-token-request')) {
    if (type !== 'application/json') return refused('the body must be application/json')
    const object = jsonObject(exchange)
    if (object === undefined) return refused('the body is not a JSON object')
    for (const [name, value] of Object.entries(object)) {
      if (typeof value !== 'string') return refused(`"${name}" must be a string`)
      form.set(name, value)
    }
    return { kind: 'form', form }
  }
  if (type !== 'application/x-www-form-urlencoded') {
    return refused('the body must be application/x-www-form-urlencoded')
  }
  for (const [name, value] of new URLSearchParams(exchange.body.toString('utf8'))) {
    if (form.has(name)) return refused(`"${name}" is repeated`)
    // A parameter without a value counts as omitted (RFC 6749 section 3.2).
    if (value !== '') form.set(name, value)
  }
  return { kind: 'form', form }
}
