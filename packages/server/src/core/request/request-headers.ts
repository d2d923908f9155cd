import { connectionNames, isConnectionHeader } from './connection-headers.ts'
import { identityOnly, type Offer } from './content-codings.ts'

export interface ForwardRules {
  /** The entry's own request headers, lower case (`ApiFacts.requestHeaders`). */
  readonly entryHeaders: readonly string[]
  /** Added when the agent did not send them, lower case (`ApiFacts.defaultHeaders`). */
  readonly defaultHeaders?: Readonly<Record<string, string>>
  /** The header in which the caller will put the credential: never taken from the agent. */
  readonly credentialHeader?: string
  /** What goes up as `Accept-Encoding`; identity alone unless said. */
  readonly offer?: Offer
}

export type Forwarded =
  | { readonly ok: true; readonly headers: string[] }
  /** `header` in lower case. */
  | { readonly ok: false; readonly header: string; readonly why: string }

/** Content, negotiation, conditions, ranges: what means the same to every provider. */
const forwarded = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'cache-control',
  'content-digest',
  'content-disposition',
  'content-language',
  'content-md5',
  'content-range',
  'content-type',
  'digest',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'pragma',
  'prefer',
  'range',
  'repr-digest',
  'user-agent',
])

/**
 * Never forwarded, even if an entry lists them: they prove or switch who is asking, say where the request came from or
 * where it goes, turn the method into another, or belong to the connection.
 */
const never = new Set([
  'accept-encoding',
  'authentication',
  'authorization',
  'callerobjectid',
  'cf-connecting-ip',
  'client-ip',
  'content-length',
  'cookie',
  'cookie2',
  'expect',
  'forwarded',
  'front-end-https',
  'host',
  'job-token',
  'mscrmcallerid',
  'private-token',
  'remote-user',
  'stripe-account',
  'true-client-ip',
  'via',
  'x-authorization',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-goog-user-project',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method',
  'x-method-override',
  'x-original-host',
  'x-original-method',
  'x-original-url',
  'x-real-ip',
  'x-remote-user',
  'x-rewrite-url',
])

const neverLike = [
  /^x-forwarded(?:-|$)/,
  /^valetkey-/,
  /^sec-|^proxy-/,
  // Impersonate-User, X-Impersonate, Sudo, Dropbox-API-Select-User, As-User, On-Behalf-Of, X-Act-As …
  /(?:^|-)(?:impersonat\w*|sudo|on-behalf-of|as-user|act-as|acting-as|run-as|select-user|select-admin)(?:-|$)/,
  // X-Api-Key, X-Auth-Token, X-Goog-Api-Key, X-Shopify-Access-Token, X-Amz-Security-Token, X-Vault-Token …
  /(?:^|-)(?:api-?key|auth-key|access-key|(?:access|auth|api|bearer|oauth|private|refresh|security|session|vault)-token)$/,
  /^x-goog-(?:authenticated-user|iam-authorization)/,
  /^x-ms-client-principal/,
]

/** Two of these would let two readers of one request disagree about it. */
const single = new Set([
  'authorization',
  'content-type',
  'host',
  'content-length',
  'content-encoding',
  'content-range',
  'range',
])

/**
 * The headers that go up, as a flat list in the agent's order: an allow-list and the entry's own, minus what is never
 * forwarded and what `Connection` names (RFC 9110 section 7.6.1). `accept-encoding` is ours: what we can look
 * into. The caller adds `content-length` if it is known, and the credential last.
 */
export function forwardHeaders(rawHeaders: readonly string[], rules: ForwardRules): Forwarded {
  const dropped = connectionNames(rawHeaders)
  const isAllowed = (name: string) =>
    forwarded.has(name) || rules.entryHeaders.some(entry => entry === name || entry.toLowerCase() === name)
  const credential = rules.credentialHeader?.toLowerCase()
  const headers: string[] = []
  const seen = new Set<string>()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    const value = rawHeaders[i + 1]!
    if (seen.has(name) && single.has(name)) return { ok: false, header: name, why: `Send the header ${name} once.` }
    seen.add(name)
    if (name === 'content-encoding' && !/^\s*(?:identity)?\s*$/i.test(value)) {
      return {
        ok: false,
        header: name,
        why: 'Send the body without Content-Encoding: a compressed body cannot be checked.',
      }
    }
    if (!isAllowed(name) || dropped.has(name) || name === credential || isNeverForwarded(name)) continue
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      return { ok: false, header: name, why: `The header ${name} holds a control character.` }
    }
    headers.push(name, value)
  }
  if (rules.defaultHeaders !== undefined) {
    const present = new Set(headers.filter((_, i) => i % 2 === 0))
    for (const [name, value] of Object.entries(rules.defaultHeaders)) {
      if (!present.has(name.toLowerCase())) headers.push(name.toLowerCase(), value)
    }
  }
  headers.push('accept-encoding', (rules.offer ?? identityOnly).value)
  return { ok: true, headers }
}

/** Whether no entry may have this header (lower case) forwarded from an agent. */
export function isNeverForwarded(name: string): boolean {
  return never.has(name) || isConnectionHeader(name) || neverLike.some(pattern => pattern.test(name))
}
