import { randomBytes, randomUUID } from 'node:crypto'
import type { ProviderClock } from '../clock.ts'
import type { RotationRule } from '../options.ts'

/** All tokens that come from one consent. They die together. */
export interface Family {
  readonly id: string
  readonly clientId: string
  /** Nothing for client credentials. */
  readonly userId?: string
  readonly scopes: readonly string[]
  isDead: boolean
}

export interface AccessToken {
  readonly value: string
  readonly family: Family
  readonly scopes: readonly string[]
  readonly issuedAt: number
  expiresAt: number
  isRevoked: boolean
}

export interface RefreshToken {
  readonly value: string
  readonly family: Family
  readonly scopes: readonly string[]
  readonly expiresAt: number
  /** When a later one took its place. */
  rotatedAt?: number
  isRevoked: boolean
}

/** An authorization code and all it is bound to (RFC 6749 section 4.1.2, RFC 7636). */
export interface Code {
  readonly value: string
  readonly clientId: string
  readonly userId: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly challenge?: string
  readonly nonce?: string
  readonly authenticatedAt: number
  readonly expiresAt: number
  isUsed: boolean
  family?: Family
}

/** What happened so far. */
export interface Stats {
  authorizations: number
  denials: number
  codesRedeemed: number
  codesReplayed: number
  refreshes: number
  refreshesRefused: number
  reuseDetected: number
  familiesKilled: number
  clientCredentials: number
  revocations: number
  apiCalls: number
  apiRefused: number
}

export interface TokenRules {
  readonly accessTokenSeconds: number
  readonly refreshTokenSeconds: number
  readonly codeSeconds: number
  readonly rotation: RotationRule
  readonly rotationOverlapSeconds: number
  readonly reuseDetection: boolean
  readonly canary: string
  readonly accessPrefix: string
  readonly refreshPrefix: string
  /** Characters at the end of each token; generic tokens carry some that need escaping in URLs, forms and JSON. */
  readonly tokenTail: string
}

export type RefreshOutcome =
  | { readonly kind: 'refreshed'; readonly access: AccessToken; readonly refresh: RefreshToken }
  | { readonly kind: 'refused'; readonly reason: 'unknown' | 'expired' | 'revoked' | 'reused' | 'foreign' | 'widened' }

/** Issues, finds, rotates and kills. Every step is synchronous, so that of parallel requests exactly one wins. */
export class TokenBook {
  readonly stats: Stats = {
    authorizations: 0,
    denials: 0,
    codesRedeemed: 0,
    codesReplayed: 0,
    refreshes: 0,
    refreshesRefused: 0,
    reuseDetected: 0,
    familiesKilled: 0,
    clientCredentials: 0,
    revocations: 0,
    apiCalls: 0,
    apiRefused: 0,
  }
  readonly access = new Map<string, AccessToken>()
  readonly refresh = new Map<string, RefreshToken>()
  readonly codes = new Map<string, Code>()
  readonly families = new Map<string, Family>()
  readonly idTokens: string[] = []
  readonly #clock: ProviderClock
  readonly #rules: TokenRules

  constructor(clock: ProviderClock, rules: TokenRules) {
    this.#clock = clock
    this.#rules = rules
  }

  openFamily(clientId: string, userId: string | undefined, scopes: readonly string[]): Family {
    const family: Family = {
      id: randomUUID(),
      clientId,
      ...(userId !== undefined && { userId }),
      scopes: [...scopes],
      isDead: false,
    }
    this.families.set(family.id, family)
    return family
  }

  mintAccess(family: Family, scopes: readonly string[] = family.scopes): AccessToken {
    const issuedAt = this.#clock.now()
    const token: AccessToken = {
      value: this.#draw(this.#rules.accessPrefix),
      family,
      scopes,
      issuedAt,
      expiresAt: issuedAt + this.#rules.accessTokenSeconds * 1000,
      isRevoked: false,
    }
    this.access.set(token.value, token)
    return token
  }

  mintRefresh(family: Family, scopes: readonly string[] = family.scopes): RefreshToken {
    const token: RefreshToken = {
      value: this.#draw(this.#rules.refreshPrefix),
      family,
      scopes,
      expiresAt: this.#clock.now() + this.#rules.refreshTokenSeconds * 1000,
      isRevoked: false,
    }
    this.refresh.set(token.value, token)
    return token
  }

  mintCode(bound: Omit<Code, 'value' | 'expiresAt' | 'isUsed' | 'family'>): Code {
    const code: Code = {
      ...bound,
      value: `${this.#rules.canary}code_${randomBytes(32).toString('base64url')}`,
      expiresAt: this.#clock.now() + this.#rules.codeSeconds * 1000,
      isUsed: false,
    }
    this.codes.set(code.value, code)
    return code
  }

  /**
   * The one use of a code. A second use is refused and kills what the first one issued (RFC 6749 section 4.1.2). A code
   * presented by another client, or too late, is spent too.
   */
  redeem(value: string, clientId: string): { readonly code?: Code; readonly detail: string } {
    const code = this.codes.get(value)
    if (code === undefined) return { detail: 'the code is unknown' }
    if (code.isUsed) {
      this.stats.codesReplayed += 1
      if (code.family !== undefined) this.kill(code.family)
      return { detail: 'the code was used before; the tokens issued from it are revoked' }
    }
    code.isUsed = true
    if (code.clientId !== clientId) return { detail: 'the code was issued to another client' }
    if (this.#clock.now() >= code.expiresAt) return { detail: 'the code has expired' }
    return { code, detail: '' }
  }

  /**
   * One refresh by the rotation rule. `mayRotate` false keeps the presented token good. Reuse of a rotated token ends
   * the whole family (RFC 9700 section 4.14.2) unless reuse detection is off.
   */
  renew(value: string, clientId: string, asked: readonly string[] | undefined, mayRotate: boolean): RefreshOutcome {
    const outcome = this.#judgeRefresh(value, clientId, asked)
    if (outcome.kind === 'refused') {
      this.stats.refreshesRefused += 1
      return outcome
    }
    const { token } = outcome
    this.stats.refreshes += 1
    const access = this.mintAccess(token.family, asked ?? token.scopes)
    if (this.#rules.rotation !== 'rotating' || !mayRotate) return { kind: 'refreshed', access, refresh: token }
    token.rotatedAt ??= this.#clock.now()
    return { kind: 'refreshed', access, refresh: this.mintRefresh(token.family, token.scopes) }
  }

  #judgeRefresh(
    value: string,
    clientId: string,
    asked: readonly string[] | undefined,
  ): { readonly kind: 'good'; readonly token: RefreshToken } | Extract<RefreshOutcome, { kind: 'refused' }> {
    const token = this.refresh.get(value)
    const refused = (reason: Extract<RefreshOutcome, { kind: 'refused' }>['reason']) =>
      ({ kind: 'refused', reason }) as const
    if (token === undefined) return refused('unknown')
    if (token.family.clientId !== clientId) return refused('foreign')
    const now = this.#clock.now()
    if (token.rotatedAt !== undefined && now >= token.rotatedAt + this.#rules.rotationOverlapSeconds * 1000) {
      this.stats.reuseDetected += 1
      if (this.#rules.reuseDetection) this.kill(token.family)
      return refused('reused')
    }
    if (token.isRevoked || token.family.isDead) return refused('revoked')
    if (now >= token.expiresAt) return refused('expired')
    if (asked?.some(scope => !token.scopes.includes(scope))) return refused('widened')
    return { kind: 'good', token }
  }

  /** The access token if it is good now. */
  liveAccess(value: string): AccessToken | undefined {
    const token = this.access.get(value)
    return token !== undefined && this.isAccessLive(token) ? token : undefined
  }

  isAccessLive(token: AccessToken): boolean {
    return !token.isRevoked && !token.family.isDead && this.#clock.now() < token.expiresAt
  }

  isRefreshLive(token: RefreshToken): boolean {
    const now = this.#clock.now()
    const isRotatedAway =
      token.rotatedAt !== undefined && now >= token.rotatedAt + this.#rules.rotationOverlapSeconds * 1000
    return !token.isRevoked && !token.family.isDead && !isRotatedAway && now < token.expiresAt
  }

  /** Ends every token of the family; false if it was dead before. */
  kill(family: Family): boolean {
    if (family.isDead) return false
    family.isDead = true
    this.stats.familiesKilled += 1
    return true
  }

  #draw(prefix: string): string {
    return `${this.#rules.canary}${prefix}${randomBytes(32).toString('base64url')}${this.#rules.tokenTail}`
  }
}
