/** Claims of our access tokens (CONTRACT 5, RFC 9068 section 2.2), spelled as on the wire. */
export interface AccessTokenClaims {
  readonly iss: string
  readonly aud: string
  /** The user, or the client itself when it works for nobody (RFC 9068 section 2.2). */
  readonly sub: string
  readonly client_id: string
  readonly scope: string
  readonly tenant: string
  readonly jti: string
  /** Seconds since the epoch. */
  readonly iat: number
  /** Seconds since the epoch. */
  readonly exp: number
  /** The agent, when it works for a user (RFC 8693 section 4.1). */
  readonly act?: { readonly sub: string; readonly act?: unknown }
  readonly task?: string
  /** Key that the token is bound to (RFC 9449 section 6.1). */
  readonly cnf?: { readonly jkt: string }
}

/** No token of ours lives longer; agents' end sooner, by whoever issues them. */
export const longestLifetimeSeconds = 3600

const required = ['iss', 'aud', 'sub', 'client_id', 'scope', 'tenant', 'jti'] as const

/** What is wrong with claims, or undefined when they are an access token's. `aud` is one audience, never a list. */
export function claimsFault(claims: Readonly<Record<string, unknown>>): string | undefined {
  for (const name of required) {
    // An empty scope says "none"; any other empty claim says nothing at all.
    if (typeof claims[name] !== 'string' || (claims[name] === '' && name !== 'scope')) return `${name} is not a text`
  }
  const { iat, exp, act, task, cnf } = claims
  if (!isTime(iat) || !isTime(exp)) return 'iat and exp are not whole seconds'
  if (exp <= iat || exp - iat > longestLifetimeSeconds) return 'exp is not within an hour after iat'
  if (task !== undefined && typeof task !== 'string') return 'task is not a text'
  if (act !== undefined && typeof memberOf(act, 'sub') !== 'string') return 'act has no sub'
  if (cnf !== undefined && typeof memberOf(cnf, 'jkt') !== 'string') return 'cnf has no jkt'
  return undefined
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
