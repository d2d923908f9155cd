import { type ApiAnswer, type ApiParts, type ApiRequest, callApi } from './api.ts'
import type { ConnectionFetchOptions } from './connection-fetch.ts'
import { type ConnectionHandle, type Resources, resourcesOf } from './resources.ts'
import { clientTokens, givenTokens, noTokens, type TokenSource, type TokenWorld, taskTokens } from './token-source.ts'

export type { ConnectionFetch, ConnectionFetchOptions } from './connection-fetch.ts'
export type { Listing, PageOptions } from './listing.ts'
export type { ConnectionHandle } from './resources.ts'
export { ValetkeyError, type ValetkeyErrorCode } from './valetkey-error.ts'

/** What every client may be given. */
export interface WorldOptions {
  /** Valetkey's base URL: https, or http on loopback. */
  readonly url: string | URL
  readonly fetch?: typeof fetch
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Patience for one call of the API; calls through a connection have none of their own. 60 s unless said. */
  readonly timeoutMs?: number
}

/** An agent, app or operator by its own credentials. */
export interface ClientOptions extends WorldOptions {
  readonly clientId: string
  readonly clientSecret: string
  /** All of the client's unless said. */
  readonly scopes?: readonly string[]
  readonly resource?: string
}

/** An access token that the caller holds, or a function that gives one. */
export interface TokenOptions extends WorldOptions {
  readonly token: string | (() => Promise<string>)
}

/**
 * One task of an agent for one user. The token renews itself while it is used; an agent that may rest longer than half
 * of a token's life gives its own credentials too.
 */
export interface TaskOptions extends WorldOptions {
  readonly task: { readonly id: string; readonly token: string; readonly expiresIn?: number }
  readonly clientId?: string
  readonly clientSecret?: string
}

/** A transport that itself proves who calls, as the operator's socket does: no token is sent. */
export interface TransportOptions extends WorldOptions {
  readonly fetch: typeof fetch
  readonly trustedTransport: true
}

export type ValetkeyOptions = ClientOptions | TokenOptions | TaskOptions | TransportOptions

/**
 * The client of Valetkey. Tokens and secrets are private to it: they are on no property and in no output of it.
 *
 * ```ts
 * const vault = new Valetkey({ url, task: { id, token } })
 * const response = await vault.connection('con_…').fetch('/api/conversations.list')
 * ```
 */
export class Valetkey {
  readonly #parts: ApiParts
  readonly #resources: Resources

  constructor(options: ValetkeyOptions) {
    const base = baseOf(options.url)
    // Taken at the time of the call, so that one who replaces the global fetch is heard; and called without a `this`.
    const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init))
    const world: TokenWorld = { base, fetch: send, now: options.now ?? Date.now }
    this.#parts = { base, fetch: send, tokens: tokensOf(world, options), timeoutMs: options.timeoutMs ?? 60_000 }
    this.#resources = resourcesOf(this.#parts)
  }

  /** The base URL, without a slash at its end. */
  get url(): string {
    return this.#parts.base
  }

  get providers(): Resources['providers'] {
    return this.#resources.providers
  }
  get integrations(): Resources['integrations'] {
    return this.#resources.integrations
  }
  get users(): Resources['users'] {
    return this.#resources.users
  }
  get apps(): Resources['apps'] {
    return this.#resources.apps
  }
  get agents(): Resources['agents'] {
    return this.#resources.agents
  }
  get connectSessions(): Resources['connectSessions'] {
    return this.#resources.connectSessions
  }
  get connections(): Resources['connections'] {
    return this.#resources.connections
  }
  get grants(): Resources['grants'] {
    return this.#resources.grants
  }
  get tasks(): Resources['tasks'] {
    return this.#resources.tasks
  }
  get decisions(): Resources['decisions'] {
    return this.#resources.decisions
  }
  get operations(): Resources['operations'] {
    return this.#resources.operations
  }
  get audit(): Resources['audit'] {
    return this.#resources.audit
  }

  /** One connection; its `fetch` is a drop-in. */
  connection(id: string, options?: ConnectionFetchOptions): ConnectionHandle {
    return this.#resources.connection(id, options)
  }

  /** Any route of the API that has no method here. */
  request<T>(request: ApiRequest): Promise<ApiAnswer<T>> {
    return callApi<T>(this.#parts, request)
  }
}

/** The same as `new Valetkey(options)`. */
export function createValetkey(options: ValetkeyOptions): Valetkey {
  return new Valetkey(options)
}

function tokensOf(world: TokenWorld, options: ValetkeyOptions): TokenSource {
  if ('task' in options) {
    const { id, token, expiresIn } = options.task
    const agent =
      options.clientId !== undefined && options.clientSecret !== undefined
        ? clientTokens(world, { id: options.clientId, secret: options.clientSecret })
        : undefined
    return taskTokens(world, { id, token, ...(expiresIn !== undefined && { expiresInSeconds: expiresIn }) }, agent)
  }
  if ('token' in options) return givenTokens(options.token)
  if ('clientId' in options) {
    const { clientId, clientSecret, scopes, resource } = options
    if (!clientId || !clientSecret) throw new TypeError('Expected clientId and clientSecret, both not empty.')
    return clientTokens(world, {
      id: clientId,
      secret: clientSecret,
      ...(scopes !== undefined && { scopes }),
      ...(resource !== undefined && { resource }),
    })
  }
  if ('trustedTransport' in options && options.trustedTransport) return noTokens
  throw new TypeError('Expected one of: clientId and clientSecret; token; task; a transport that proves who calls.')
}

/** Secrets go out in clear only where nobody is in between. */
function baseOf(given: string | URL): string {
  const url = new URL(given)
  const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw new TypeError(`Expected an https URL (http only on loopback), not ${url.protocol}//${url.host}.`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('Expected a base URL without user, query or fragment.')
  }
  return url.href.replace(/\/+$/, '')
}
