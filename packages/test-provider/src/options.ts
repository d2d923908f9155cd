import type { JSONWebKeySet } from 'jose'
import type { Item } from './api/items.ts'
import type { HubSpotSeed } from './hubspot/hubspot-seed.ts'
import type { NotionSeed } from './notion/notion-seed.ts'
import type { TestProvider } from './provider-handle.ts'
import type { QuirkName } from './quirks.ts'

/** Which surface is served: paths, shapes and habits of that vendor. */
export type Vendor = 'generic' | 'notion' | 'hubspot'

export type ClientAuthMethod = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
export type GrantType = 'authorization_code' | 'refresh_token' | 'client_credentials'
export type PkceRule = 'required' | 'optional' | 'ignored' | 'forbidden'
export type RotationRule = 'rotating' | 'static' | 'none'

/** A registered OAuth client. */
export interface ClientOptions {
  readonly id: string
  readonly secret?: string
  /** Compared as exact strings. */
  readonly redirectUris?: readonly string[]
  /** The one way in which it may authenticate; default: the surface's (generic `client_secret_basic`). */
  readonly authMethod?: ClientAuthMethod
  /** The public keys for `private_key_jwt`. */
  readonly jwks?: JSONWebKeySet
  readonly grantTypes?: readonly GrantType[]
  /** What it may ask for; default: all scopes of the provider. On Notion: its capabilities. */
  readonly scopes?: readonly string[]
}

/** A person who can consent, and whose data the APIs serve. */
export interface UserOptions {
  readonly id: string
  readonly email: string
  readonly name: string
}

/** What the APIs hold for each user, by the user's id. Users without an entry get a default week of their own. */
export interface Seed {
  readonly items?: Readonly<Record<string, readonly Item[]>>
  readonly notion?: Readonly<Record<string, NotionSeed>>
  readonly hubspot?: Readonly<Record<string, HubSpotSeed>>
}

export interface TestProviderOptions {
  /** Default `generic`. */
  readonly vendor?: Vendor
  /** Default 0: a free port of 127.0.0.1. */
  readonly port?: number
  /** Everything hangs under this prefix, e.g. `/notion`; default none. */
  readonly pathPrefix?: string
  /** Mounts this provider on the HTTP server of a running one, under its own `pathPrefix`. */
  readonly on?: TestProvider
  /** Default: `test-client` with the secret `test-secret` and no redirect URI. */
  readonly clients?: readonly ClientOptions[]
  /** Default: alice and bob. */
  readonly users?: readonly UserOptions[]
  readonly seed?: Seed
  /** Default 3600 (generic), 1800 (hubspot), never (notion). */
  readonly accessTokenSeconds?: number
  /** Default: never. Counted from each refresh token's own issue. */
  readonly refreshTokenSeconds?: number
  /** Default 60, as RFC 6749 section 4.1.2 and OAuth 2.1 recommend at most. */
  readonly codeSeconds?: number
  /** Default `rotating` (generic, notion), `static` (hubspot). */
  readonly rotation?: RotationRule
  /** For so long a rotated refresh token is still good; default 0. */
  readonly rotationOverlapSeconds?: number
  /** Whether use of a rotated refresh token ends its whole family; default true. */
  readonly reuseDetection?: boolean
  /** Default `required` (generic), `ignored` (notion), `optional` (hubspot). */
  readonly pkce?: PkceRule
  /** The scopes that exist, or `any`; default: the surface's. */
  readonly scopes?: readonly string[] | 'any'
  /** Refresh tokens only with the scope `offline_access`; default false. */
  readonly offlineAccessRequired?: boolean
  /** The scopes that `/api/items` needs; default `items:read` and `items:write`. */
  readonly apiScopes?: { readonly read?: string; readonly write?: string }
  /** Departures from the standards, beside those of the vendor. */
  readonly quirks?: readonly QuirkName[]
  /** Text at the start of every token and generated secret, to search for afterwards: `[A-Za-z0-9._~-]*`. */
  readonly canary?: string
  /** The authorization endpoint answers at once for this user, without a page. */
  readonly autoApprove?: string
  /** Default RS256. */
  readonly signingAlgorithm?: 'RS256' | 'ES256'
  /** So many requests are kept in `requests`; beyond it the oldest tenth is forgotten. Default 20,000; `stats` counts on. */
  readonly recordLimit?: number
  /** The outside time in milliseconds; default `Date.now`. */
  readonly now?: () => number
}

/** A client with every default filled in. */
export interface Client {
  readonly id: string
  readonly secret?: string
  readonly redirectUris: readonly string[]
  readonly authMethod: ClientAuthMethod
  readonly jwks?: JSONWebKeySet
  readonly grantTypes: readonly GrantType[]
  readonly scopes?: readonly string[]
}

/** Fills the defaults in and refuses a client that could not work or would not be safe. */
export function settleClient(given: ClientOptions, defaultMethod: ClientAuthMethod): Client {
  const authMethod = given.authMethod ?? (given.jwks !== undefined ? 'private_key_jwt' : defaultMethod)
  const needsSecret = authMethod === 'client_secret_basic' || authMethod === 'client_secret_post'
  const fault = (detail: string) => new TypeError(`client "${given.id}": ${detail}`)
  if (!authMethods.includes(authMethod)) throw fault(`authMethod must be one of ${authMethods.join(', ')}`)
  if (given.id === '') throw fault('the id may not be empty')
  if (needsSecret && !given.secret) throw fault(`${authMethod} needs a secret`)
  if (authMethod === 'private_key_jwt' && given.jwks === undefined) throw fault('private_key_jwt needs jwks')
  if (authMethod === 'none' && given.secret !== undefined) throw fault('a public client has no secret')
  for (const uri of given.redirectUris ?? []) {
    if (!URL.canParse(uri) || uri.includes('#')) throw fault(`redirect URI "${uri}" must be absolute, without fragment`)
  }
  return {
    id: given.id,
    ...(given.secret !== undefined && { secret: given.secret }),
    redirectUris: given.redirectUris ?? [],
    authMethod,
    ...(given.jwks !== undefined && { jwks: given.jwks }),
    grantTypes:
      given.grantTypes ??
      (authMethod === 'none'
        ? ['authorization_code', 'refresh_token']
        : ['authorization_code', 'refresh_token', 'client_credentials']),
    ...(given.scopes !== undefined && { scopes: given.scopes }),
  }
}

const rules = {
  pkce: ['required', 'optional', 'ignored', 'forbidden'],
  rotation: ['rotating', 'static', 'none'],
  signingAlgorithm: ['RS256', 'ES256'],
} as const
const authMethods: readonly ClientAuthMethod[] = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'none',
]

/** Refuses settings that mean nothing. */
export function judgeOptions(options: TestProviderOptions): void {
  for (const [name, allowed] of Object.entries(rules)) {
    const value = options[name as keyof typeof rules]
    if (value !== undefined && !(allowed as readonly string[]).includes(value)) {
      throw new TypeError(`${name} must be one of ${allowed.join(', ')}, got "${value}"`)
    }
  }
  if (options.pathPrefix !== undefined && !/^(\/[A-Za-z0-9._~-]+)*$/.test(options.pathPrefix)) {
    throw new TypeError('pathPrefix must look like "/name" or "/name/name", without a slash at its end')
  }
  if (options.on !== undefined && options.port !== undefined) {
    throw new TypeError('give either `on`, the provider whose server is used, or `port`')
  }
  if (!/^[A-Za-z0-9._~-]*$/.test(options.canary ?? '')) {
    throw new TypeError('canary may hold letters, digits and ._~- only, because it stands in tokens')
  }
  for (const name of ['accessTokenSeconds', 'refreshTokenSeconds', 'codeSeconds', 'rotationOverlapSeconds'] as const) {
    const value = options[name]
    if (value !== undefined && !(value >= 0)) throw new TypeError(`${name} must be a number of seconds, got ${value}`)
  }
  if (options.recordLimit !== undefined && !(options.recordLimit >= 1)) {
    throw new TypeError('recordLimit must be at least 1')
  }
}
