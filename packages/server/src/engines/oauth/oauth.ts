import type { Discovered } from '../../core/catalogue/resolve-provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Secret } from '../../core/secret.ts'
import type { TokenSet } from '../../core/token/token-set.ts'

/**
 * The OAuth client to providers. Steps come in pairs: one builds the request, the other judges the answer. It is handed
 * the function that sends; it opens no socket.
 */
export interface OAuthClient {
  /** The authorization URL (RFC 6749 section 4.1.1) with PKCE S256 (RFC 7636) unless the entry forbids it. */
  authorizationUrl(request: AuthorizationRequest): string
  /** Code for tokens (RFC 6749 section 4.1.3); ID token checked when the entry has an issuer and a nonce was sent. */
  redeemCode(send: Send, request: RedeemRequest): Promise<TokenAnswer>
  /** RFC 6749 section 6. `beforeSend` runs right before the bytes leave. */
  refresh(send: Send, request: RefreshRequest): Promise<TokenAnswer>
  /** RFC 6749 section 4.4. */
  clientCredentials(send: Send, request: ClientCredentialsRequest): Promise<TokenAnswer>
  /** RFC 7009 or the vendor's way by entry. */
  revoke(send: Send, request: RevokeRequest): Promise<'revoked' | 'unsupported' | 'failed'>
  /** Whose account this is, by the entry's rule. Undefined when the entry has no rule. */
  account(send: Send, request: AccountRequest): Promise<Account | undefined>
  /** OIDC Discovery 1.0 section 4: the document's issuer must equal the one asked for. */
  discover(send: Send, issuer: string): Promise<DiscoveredEndpoints>
}

export type Send = (request: {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly beforeSend?: () => void
}) => Promise<{ readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }>

export interface OurClient {
  readonly clientId: string
  readonly clientSecret?: Secret
  /** PKCS#8 PEM or JWK text, for `private_key_jwt` (RFC 7523). */
  readonly privateKey?: Secret
}

export interface AuthorizationRequest {
  readonly provider: ResolvedProvider
  readonly clientId: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state: string
  readonly codeChallenge: string
  readonly nonce?: string
}

export interface RedeemRequest {
  readonly provider: ResolvedProvider
  readonly client: OurClient
  readonly redirectUri: string
  readonly code: Secret
  readonly codeVerifier: Secret
  readonly nonce?: string
  readonly requestedScopes: readonly string[]
  readonly now: number
}

export interface RefreshRequest {
  readonly provider: ResolvedProvider
  readonly client: OurClient
  readonly refreshToken: Secret
  readonly grantedScopes: readonly string[]
  readonly now: number
  readonly beforeSend?: () => void
}

export interface ClientCredentialsRequest {
  readonly provider: ResolvedProvider
  readonly client: OurClient
  readonly scopes: readonly string[]
  readonly now: number
}

export interface RevokeRequest {
  readonly provider: ResolvedProvider
  readonly client: OurClient
  readonly token: Secret
  readonly kind: 'access_token' | 'refresh_token'
}

export interface AccountRequest {
  readonly provider: ResolvedProvider
  readonly tokens: TokenSet
}

export interface Account {
  readonly id: string
  readonly label: string
}

export interface DiscoveredEndpoints extends Discovered {
  /** False only when the document lists challenge methods and S256 is not among them. */
  readonly supportsS256: boolean
}

/** A token answer after the normaliser and every check. `refused`: hostile or malformed, with words for the log. */
export type TokenAnswer =
  | { readonly kind: 'tokens'; readonly tokens: TokenSet }
  /** The provider said no: `invalid_grant` and its kin need a person; `invalid_client` is the integration's fault. */
  | {
      readonly kind: 'error'
      readonly error: string
      readonly class: 'invalid_grant' | 'invalid_client' | 'transient' | 'other'
    }
  | { readonly kind: 'refused'; readonly why: string }
  /** No answer, or it may have been lost on the way; `sent`: whether the request may have reached the provider. */
  | { readonly kind: 'unreachable'; readonly why: string; readonly sent: boolean }
