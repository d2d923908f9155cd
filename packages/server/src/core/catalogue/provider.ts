import type { Action } from '@valetkey/contract/events'
import type { QuirkName } from './quirk.ts'

/**
 * One provider as the catalogue holds it: one JSON file of this shape. Everything that code asks about a provider is
 * declared here; code never asks which provider it is. `catalogue/schema.json` is generated from this type.
 */
export interface ProviderEntry {
  readonly schemaVersion: 1
  /** Kebab-case; the file's name. */
  readonly id: string
  readonly name: string
  readonly category: string
  /** `unconfirmed` entries ship switched off until an operator confirms them. */
  readonly status: 'confirmed' | 'unconfirmed'
  readonly confidence: 'high' | 'medium' | 'low'
  readonly docsUrl: string
  readonly registration: Registration
  readonly oauth: OAuthFacts
  readonly quirks: readonly QuirkName[]
  readonly api: ApiFacts
  /** Resource types in plain words, for the connect page: key is the type's name. */
  readonly resourceTypes: Readonly<Record<string, ResourceType>>
  readonly scopes: readonly ScopeFact[]
  readonly operations: readonly Operation[]
}

/** What the operator must do at the provider before anyone can connect. */
export interface Registration {
  readonly url: string
  readonly steps: readonly string[]
  readonly traps: readonly string[]
}

export interface OAuthFacts {
  /** Expected `iss` of authorization responses and ID tokens (RFC 9207, OIDC). */
  readonly issuer?: string
  /** Endpoints are read from the issuer's discovery document (OIDC Discovery 1.0), the issuer given by the operator. */
  readonly discovery?: 'oidc'
  /** The provider states that it always sends `iss` in the authorization response (RFC 9207). */
  readonly issParameter?: boolean
  readonly authorizationEndpoint?: string
  readonly tokenEndpoint?: string
  readonly revocationEndpoint?: string
  readonly introspectionEndpoint?: string
  readonly userinfoEndpoint?: string
  readonly deviceAuthorizationEndpoint?: string
  readonly registrationEndpoint?: string
  readonly parEndpoint?: string
  /** Further OAuth endpoints of old or sibling surfaces: never proxied either. */
  readonly otherEndpoints?: readonly string[]
  /** S256 is sent unless the provider refuses the parameter. */
  readonly pkce: 'S256' | 'forbidden'
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  readonly tokenRequestFormat: 'form' | 'json'
  readonly scopeSeparator: ' ' | ','
  /** Name of the authorization parameter that carries the scopes; `scope` unless said. */
  readonly scopeParameter?: string
  /** The provider has no scope parameter: what is granted is what its console fixed for the client. */
  readonly scopesFixedAtClient?: boolean
  /** Scopes that every connection needs so that the account can be told apart. */
  readonly identityScopes?: readonly string[]
  readonly authorizationParameters?: Readonly<Record<string, string>>
  readonly tokenParameters?: Readonly<Record<string, string>>
  readonly refresh: 'rotating' | 'optional-rotating' | 'static' | 'none' | 'unknown'
  /** Used when the token answer has no `expires_in`; absent means unknown, never eternal. */
  readonly accessTokenLifetimeSeconds?: number
  /** Where a token lies in the answer, as JSON pointers, when not at the top level under its standard name. */
  readonly tokenAnswer?: {
    readonly accessToken?: string
    readonly refreshToken?: string
    readonly expiresIn?: string
    readonly scope?: string
  }
  /** As `tokenAnswer`, for answers to a refresh. Absent: the same as `tokenAnswer`; `{}`: the standard names. */
  readonly refreshAnswer?: {
    readonly accessToken?: string
    readonly refreshToken?: string
    readonly expiresIn?: string
    readonly scope?: string
  }
  /** Values of `token_type` that this provider uses for what is a bearer token. */
  readonly tokenTypes?: readonly string[]
  /**
   * What a revocation upstream ends: `per_token` that token alone; `per_user_client` every token of that user at the
   * OAuth client; `accumulating` one authorization to which scopes are added.
   */
  readonly authorizationModel: 'per_token' | 'per_user_client' | 'accumulating'
  readonly revocation?: Revocation
  /** How to learn whose account this is, right after the token was obtained. */
  readonly account?: AccountFacts
}

export interface Revocation {
  /** `rfc7009`: POST token to the endpoint; `bearer`: POST with the token as bearer; `delete-path`: DELETE {endpoint}/{token}. */
  readonly method: 'rfc7009' | 'bearer' | 'delete-path'
  readonly tokens: readonly ('access_token' | 'refresh_token')[]
}

export interface AccountFacts {
  /** `token-answer`: pointers into the token answer itself. */
  readonly source: 'endpoint' | 'token-answer' | 'id-token'
  /** With source `endpoint`: an absolute URL in one of the entry's origins (`{access_token}` may stand in the path). */
  readonly url?: string
  readonly method?: 'GET' | 'POST'
  /** JSON pointers (RFC 6901); the id is made of all of them. */
  readonly id: readonly string[]
  readonly label: readonly string[]
}

export interface ApiFacts {
  /** The first origin is what `/proxy/{connection}/{path}` means. */
  readonly origins: readonly ApiOrigin[]
  /** The header that carries the token, `authorization` and `Bearer` unless said. */
  readonly credentialHeader?: { readonly name: string; readonly scheme: string }
  /** Request headers of the provider's own that an agent may send, lower case. */
  readonly requestHeaders: readonly string[]
  /** Headers that we add when the agent did not send them, lower case. */
  readonly defaultHeaders?: Readonly<Record<string, string>>
  /** Parameters that carry a credential in query, form or JSON body: refused from agents. Lower case. */
  readonly credentialParameters: readonly string[]
  /** Answers that mean "this access token is no longer good" beside 401. `error` is a value at the body's pointer. */
  readonly unauthorizedAnswers?: readonly {
    readonly status: number
    readonly pointer: string
    readonly values: readonly string[]
  }[]
  /** Path patterns that take several requests in one: refused, on every host of the entry. */
  readonly batch?: readonly string[]
  /** GET and HEAD never change anything here, so that `{provider}:any:fetch` may open them uncatalogued. */
  readonly safeMethods?: boolean
  /** The provider serves each path with one slash at its end too, and its SDKs ask so: `/crm/v3/owners/`. */
  readonly slashAtEnd?: boolean
  /** The GraphQL endpoint: queries need `{provider}:graphql:fetch`, mutations the permissions of their root fields. */
  readonly graphql?: {
    /** Host of the entry; the first origin's when left out. */
    readonly host?: string
    readonly path: string
  }
}

export interface ApiOrigin {
  /** `https://host`, no path. */
  readonly origin: string
  /** Paths under which this product lives on that host, e.g. `/drive/v3`. Others on the host are out of reach. */
  readonly pathPrefixes: readonly string[]
}

export interface ResourceType {
  /** Plain words after "read your …" and "change your …": `messages in channels and direct messages`. */
  readonly words: string
  /** The least scopes to ask for so that this type can be read, and beside these, changed. */
  readonly scopes?: { readonly read?: readonly string[]; readonly write?: readonly string[] }
}

export interface ScopeFact {
  readonly name: string
  readonly description: string
  readonly resourceType: string
  readonly access: 'read' | 'write' | 'admin'
  readonly sensitivity: 'low' | 'medium' | 'high'
}

export interface Operation {
  /** `{provider}.{id}`: `slack.conversations.history`. */
  readonly id: string
  readonly description: string
  readonly resourceType: string
  readonly action: Action
  /**
   * Every method and path under which the vendor serves it, the usual one first. `pattern`: literals, `{name}` one
   * segment (`{name}:verb` with a literal end), `**` the rest. Empty only with `graphql`.
   */
  readonly routes: readonly Route[]
  /** The field of the GraphQL type Mutation that it is. */
  readonly graphql?: string
  /** The connection needs one (`anyOf`) or all (`allOf`) of these scopes; neither: none is needed. */
  readonly scopes: { readonly anyOf?: readonly string[]; readonly allOf?: readonly string[] }
  /** Method and path were found in a machine-readable source. */
  readonly verified: boolean
  /** Fields of the answer that hold absolute links which SDKs follow: pointer, and the entry's host they mean. */
  readonly links?: readonly { readonly pointer: string; readonly host?: string }[]
  /** `%2f` may stand within a path parameter. */
  readonly encodedSlash?: boolean
  /**
   * Where the ids of resources stand in a call, so that a grant can be narrowed to some of them. Every place that can name
   * one is here, or none: an operation without any is refused under a grant that constrains resources.
   */
  readonly resources?: readonly ResourceLocation[]
}

/** A place of a call that holds ids of resources. */
export interface ResourceLocation {
  /** A resource type of the entry; a grant's `resources` has it as key. */
  readonly type: string
  /** Where it may stand. In more than one of them at once all must say the same. */
  readonly in: readonly ('path' | 'query' | 'form' | 'json' | 'header')[]
  /** The parameter: `{name}` of the path, a name in query or form, a member at the top of a JSON body. */
  readonly name?: string
  /** Deeper in a JSON body, or in the JSON of the header: RFC 6901, and `*` for each item of a list. */
  readonly pointer?: string
  /** With `header`: the header, lower case; its value as it stands, or JSON if there is a pointer. */
  readonly header?: string
  /** Several ids: separated by commas, or a list in JSON. */
  readonly many?: boolean
  /** May be left out, as the call then names no further resource. */
  readonly optional?: boolean
  /** Ids are UUIDs, with or without dashes. */
  readonly uuid?: boolean
  /** Parameters that would make this id mean another resource: refused under a grant that constrains resources. */
  readonly without?: readonly string[]
}

export interface Route {
  readonly methods: readonly string[]
  /** Host of the entry; the first origin's when left out. */
  readonly host?: string
  readonly pattern: string
}
