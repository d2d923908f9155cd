import type { ProviderClock } from '../clock.ts'
import type { Answer, Exchange } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import type { Client, ClientAuthMethod, PkceRule, RotationRule, Seed, UserOptions, Vendor } from '../options.ts'
import type { QuirkName } from '../quirks.ts'
import type { SigningKeys } from './signing-keys.ts'
import type { AccessToken, Family, TokenBook } from './token-book.ts'

/** Why an API does not serve a request. */
export type ApiRefusal =
  | { readonly kind: 'no_token' | 'invalid_token' | 'expired_token' | 'not_found' | 'method_not_allowed' }
  | { readonly kind: 'insufficient_scope'; readonly required: readonly string[] }

/** Why the token endpoint refuses; `error` is of RFC 6749 section 5.2. */
export interface OAuthRefusal {
  readonly status: number
  readonly error: string
  readonly detail: string
}

/** What one vendor's surface is made of. */
export interface Surface {
  readonly vendor: Vendor
  readonly paths: {
    readonly authorize: string
    readonly token: string
    readonly revoke?: string
    readonly introspect?: string
    /** With these three the surface speaks OpenID Connect. */
    readonly userinfo?: string
    readonly jwks?: string
    readonly isDiscoverable: boolean
  }
  readonly defaults: {
    readonly pkce: PkceRule
    readonly rotation: RotationRule
    readonly accessTokenSeconds: number
    readonly authMethod: ClientAuthMethod
    readonly quirks: readonly QuirkName[]
    readonly scopes: readonly string[]
  }
  readonly tokenShape: { readonly accessPrefix: string; readonly refreshPrefix: string; readonly tokenTail: string }
  /** The person picks what is shared and the scope parameter is not looked at: everything the client has is granted. */
  readonly isScopedByClient: boolean
  /** The vendor's own client leaves `response_type` out. */
  readonly isResponseTypeOptional: boolean
  /** Members of a token answer beside the standard ones. */
  tokenMembers(state: ProviderState, family: Family): Readonly<Record<string, unknown>>
  /** Members of an error answer beside `error` and `error_description`. */
  errorMembers(state: ProviderState, refusal: OAuthRefusal, exchange: Exchange): Readonly<Record<string, unknown>>
  /** An API's refusal in the vendor's words; the challenge header is added by the caller. */
  refuseApi(state: ProviderState, refusal: ApiRefusal): Answer
  routes(state: ProviderState): readonly Route[]
}

/** A judged authorization request. */
export interface PendingAuthorization {
  readonly client: Client
  readonly redirectUri: string
  readonly granted: readonly string[]
  readonly state?: string
  readonly challenge?: string
  readonly nonce?: string
}

/** All that one running provider knows. */
export interface ProviderState {
  readonly surface: Surface
  readonly url: string
  readonly issuer: string
  readonly clock: ProviderClock
  readonly baseNow: () => number
  readonly tokens: TokenBook
  readonly keys: SigningKeys
  readonly clients: Map<string, Client>
  readonly users: Map<string, UserOptions>
  readonly quirks: Set<QuirkName>
  readonly pkce: PkceRule
  readonly rotation: RotationRule
  readonly scopes: readonly string[] | 'any'
  readonly offlineAccessRequired: boolean
  readonly apiScopes: { readonly read: string; readonly write: string }
  readonly autoApprove?: string
  readonly seed: Seed
  /** Consent pages that were shown and not answered yet, by their transaction id. */
  readonly pending: Map<string, PendingAuthorization>
  /** Every client secret there ever was, replaced ones included. */
  readonly clientSecrets: Set<string>
  /** Client assertions seen so far: each is good once. */
  readonly usedAssertions: Set<string>
}

/** Whose data a token reaches: its user's, or for client credentials the client's own. */
export function ownerOf(token: AccessToken): string {
  return token.family.userId ?? `client:${token.family.clientId}`
}

/** The scopes that a request for `asked` is granted at most, or the ones that do not exist for this client. */
export function judgeScopes(
  state: ProviderState,
  client: Client,
  asked: readonly string[],
): { readonly granted: readonly string[]; readonly unknown: readonly string[] } {
  const all = client.scopes ?? (state.scopes === 'any' ? undefined : state.scopes)
  if (state.surface.isScopedByClient) return { granted: downgrade(state, all ?? []), unknown: [] }
  const wanted = [...new Set(asked)]
  return {
    granted: downgrade(state, wanted),
    unknown: all === undefined ? [] : wanted.filter(scope => !all.includes(scope)),
  }
}

function downgrade(state: ProviderState, scopes: readonly string[]): readonly string[] {
  return state.quirks.has('scopes-downgraded') ? scopes.slice(0, -1) : scopes
}

/** Splits a scope parameter (RFC 6749 section 3.3). */
export function splitScopes(text: string | null | undefined): string[] {
  return (text ?? '').split(' ').filter(scope => scope !== '')
}
