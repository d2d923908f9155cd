import type { IncomingMessage, ServerResponse } from 'node:http'
import { genericSurface } from './api/generic-surface.ts'
import { createClock, type ProviderClock } from './clock.ts'
import { createFaultScript, type Fault, type Hold, type HoldPoint } from './faults.ts'
import type { EndpointName } from './http/exchange.ts'
import { type Listener, listen } from './http/listener.ts'
import { createRequestLog, type RequestLog } from './http/request-log.ts'
import { serve } from './http/serve.ts'
import { hubSpotSurface } from './hubspot/hubspot-surface.ts'
import { notionSurface } from './notion/notion-surface.ts'
import { type Approval, approve } from './oauth/approve.ts'
import { oauthRoutes } from './oauth/oauth-routes.ts'
import type { ProviderState, Surface } from './oauth/provider-state.ts'
import { createSigningKeys } from './oauth/signing-keys.ts'
import { type Stats, TokenBook } from './oauth/token-book.ts'
import { firstRefreshToken } from './oauth/token-endpoint.ts'
import {
  type ClientOptions,
  judgeOptions,
  settleClient,
  type TestProviderOptions,
  type UserOptions,
  type Vendor,
} from './options.ts'
import { type QuirkName, quirkSet } from './quirks.ts'

export { type ReflectionName, reflections } from './api/reflections.ts'
export { type Fault, type FaultKind, faultKinds, type Hold, type HoldPoint } from './faults.ts'
export { type EndpointName, endpointNames } from './http/exchange.ts'
export type { RecordedRequest, RequestLog } from './http/request-log.ts'
export { type Approval, approve } from './oauth/approve.ts'
export type { Stats } from './oauth/token-book.ts'
export type * from './options.ts'
export { type QuirkName, quirkNames, quirks } from './quirks.ts'

const surfaces: Readonly<Record<Vendor, Surface>> = {
  generic: genericSurface,
  notion: notionSurface,
  hubspot: hubSpotSurface,
}

/** A token set made without a consent, e.g. to import. */
export interface IssuedTokens {
  readonly accessToken: string
  readonly refreshToken?: string
  readonly scopes: readonly string[]
  /** Milliseconds; nothing when the access token does not expire. */
  readonly expiresAt?: number
}

/** A token that would be accepted now. */
export interface ActiveToken {
  readonly kind: 'access' | 'refresh'
  readonly value: string
  readonly user?: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly expiresAt?: number
}

/** A running provider. */
export interface TestProvider {
  /** Where everything hangs, without a slash at the end. */
  readonly url: string
  readonly issuer: string
  /** The absolute URLs of the surface's OAuth endpoints. */
  readonly endpoints: {
    readonly authorize: string
    readonly token: string
    readonly revoke?: string
    readonly introspect?: string
    readonly userinfo?: string
  }
  readonly requests: RequestLog
  readonly stats: Readonly<Stats>
  readonly clock: ProviderClock
  addClient(client: ClientOptions): void
  addUser(user: UserOptions): void
  /** Replaces the quirks of the options; those of the vendor stay. */
  setQuirks(...names: readonly QuirkName[]): void
  /** Queues faults. */
  script(faults: Fault | readonly Fault[]): void
  /** Forgets queued faults and opens every hold. */
  clearScript(): void
  /** Keeps requests to an endpoint waiting; by default their answers, with the work done. */
  hold(at: EndpointName, point?: HoldPoint): Hold
  /** Consents over HTTP as a person would; see `approve`. */
  approve(authorizationUrl: string, approval: Approval): Promise<string>
  issueTokens(user: string | undefined, client: string, scopes?: readonly string[]): IssuedTokens
  activeTokens(): ActiveToken[]
  /** Every access, refresh and id token and every client secret that ever was, dead and replaced ones included. */
  allIssuedSecrets(): string[]
  /** Every authorization code that ever was. */
  allIssuedCodes(): string[]
  /** The user takes back all consents; answers how many families died. */
  revokeAccess(user: string): number
  /** Ends all tokens of one consent, named by any token of it. */
  killFamily(token: string): void
  /** Access tokens (of one user) expire now; their refresh tokens stay good. Answers how many. */
  expireAccessTokens(user?: string): number
  rotateSigningKey(): Promise<void>
  /** Ends the server, or takes this provider off the one it is mounted on. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const listeners = new WeakMap<TestProvider, Listener>()

/**
 * Starts a provider on 127.0.0.1.
 * @example
 * const provider = await startTestProvider({
 *   clients: [{ id: 'app', secret: 's3cret', redirectUris: ['http://127.0.0.1:7400/callback'] }],
 *   accessTokenSeconds: 60,
 * })
 */
export async function startTestProvider(options: TestProviderOptions = {}): Promise<TestProvider> {
  judgeOptions(options)
  const surface = surfaces[options.vendor ?? 'generic']
  if (surface === undefined) throw new TypeError(`vendor must be one of ${Object.keys(surfaces).join(', ')}`)
  const chosenQuirks = quirkSet(options.quirks ?? [])
  const shared = options.on === undefined ? undefined : listeners.get(options.on)
  if (options.on !== undefined && shared === undefined) throw new TypeError('`on` must be a running test provider')
  const listener = shared ?? (await listen(options.port ?? 0))
  try {
    return mountProvider(options, surface, chosenQuirks, listener, shared === undefined)
  } catch (error) {
    if (shared === undefined) await listener.close()
    throw error
  }
}

function mountProvider(
  options: TestProviderOptions,
  surface: Surface,
  chosenQuirks: ReadonlySet<QuirkName>,
  listener: Listener,
  ownsListener: boolean,
): TestProvider {
  const prefix = options.pathPrefix ?? ''
  const state = createState(options, surface, `${listener.origin}${prefix}`)
  const setQuirks = (names: Iterable<QuirkName>) => {
    const wanted = quirkSet([...surface.defaults.quirks, ...names])
    state.quirks.clear()
    for (const name of wanted) state.quirks.add(name)
  }
  setQuirks(chosenQuirks)

  const log = createRequestLog(options.recordLimit ?? 20_000)
  const faults = createFaultScript()
  const closing = new AbortController()
  const parts = {
    clock: state.clock,
    log,
    faults,
    routes: [...oauthRoutes(state), ...surface.routes(state)],
    refuse: (status: 404 | 405) =>
      surface.refuseApi(state, { kind: status === 404 ? 'not_found' : 'method_not_allowed' }),
    closed: closing.signal,
  }
  const unmount = listener.mount(prefix, (request: IncomingMessage, response: ServerResponse, path, query) => {
    void serve(parts, request, response, path, query)
  })
  const provider = createHandle(state, log, faults, setQuirks, async () => {
    if (closing.signal.aborted) return
    closing.abort()
    faults.clear()
    unmount()
    if (ownsListener) await listener.close()
  })
  listeners.set(provider, listener)
  return provider
}

function createState(options: TestProviderOptions, surface: Surface, url: string): ProviderState {
  const baseNow = options.now ?? Date.now
  const clock = createClock(baseNow)
  const users = options.users ?? [
    { id: 'alice', email: 'alice@example.com', name: 'Alice Archer' },
    { id: 'bob', email: 'bob@example.com', name: 'Bob Baker' },
  ]
  const clients = options.clients ?? [{ id: 'test-client', secret: 'test-secret' }]
  const rotation = options.rotation ?? surface.defaults.rotation
  const state: ProviderState = {
    surface,
    url,
    issuer: url,
    clock,
    baseNow,
    tokens: new TokenBook(clock, {
      accessTokenSeconds: options.accessTokenSeconds ?? surface.defaults.accessTokenSeconds,
      refreshTokenSeconds: options.refreshTokenSeconds ?? Number.POSITIVE_INFINITY,
      codeSeconds: options.codeSeconds ?? 60,
      rotation,
      rotationOverlapSeconds: options.rotationOverlapSeconds ?? 0,
      reuseDetection: options.reuseDetection ?? true,
      canary: options.canary ?? '',
      ...surface.tokenShape,
    }),
    keys: createSigningKeys(options.signingAlgorithm ?? 'RS256'),
    clients: new Map(),
    users: new Map(),
    quirks: new Set(),
    pkce: options.pkce ?? surface.defaults.pkce,
    rotation,
    scopes: options.scopes ?? surface.defaults.scopes,
    offlineAccessRequired: options.offlineAccessRequired ?? false,
    apiScopes: { read: 'items:read', write: 'items:write', ...options.apiScopes },
    ...(options.autoApprove !== undefined && { autoApprove: options.autoApprove }),
    seed: options.seed ?? {},
    pending: new Map(),
    clientSecrets: new Set(),
    usedAssertions: new Set(),
  }
  for (const user of users) addUser(state, user)
  for (const client of clients) addClient(state, client)
  if (options.autoApprove !== undefined && !state.users.has(options.autoApprove)) {
    throw new TypeError(`autoApprove names "${options.autoApprove}", who is not one of the users`)
  }
  return state
}

function addClient(state: ProviderState, given: ClientOptions): void {
  const client = settleClient(given, state.surface.defaults.authMethod)
  // A client and a user of one name could be mistaken for each other in a token's subject (RFC 9700 section 4.15).
  if (state.users.has(client.id)) throw new TypeError(`"${client.id}" is already the id of a user`)
  state.clients.set(client.id, client)
  if (client.secret !== undefined) state.clientSecrets.add(client.secret)
}

function addUser(state: ProviderState, user: UserOptions): void {
  if (state.clients.has(user.id)) throw new TypeError(`"${user.id}" is already the id of a client`)
  state.users.set(user.id, user)
}

function createHandle(
  state: ProviderState,
  log: RequestLog,
  faults: ReturnType<typeof createFaultScript>,
  setQuirks: (names: Iterable<QuirkName>) => void,
  close: () => Promise<void>,
): TestProvider {
  const { tokens, surface, url } = state
  const at = (path: string | undefined) => (path === undefined ? undefined : url + path)
  const [revoke, introspect, userinfo] = [surface.paths.revoke, surface.paths.introspect, surface.paths.userinfo].map(
    at,
  )
  const expiry = (time: number) => (Number.isFinite(time) ? { expiresAt: time } : {})
  const user = (id: string | undefined) => (id === undefined ? {} : { user: id })
  return {
    url,
    issuer: state.issuer,
    endpoints: {
      authorize: url + surface.paths.authorize,
      token: url + surface.paths.token,
      ...(revoke !== undefined && { revoke }),
      ...(introspect !== undefined && { introspect }),
      ...(userinfo !== undefined && { userinfo }),
    },
    requests: log,
    stats: tokens.stats,
    clock: state.clock,
    addClient: client => addClient(state, client),
    addUser: added => addUser(state, added),
    setQuirks: (...names) => setQuirks(names),
    script: faults.add,
    clearScript: faults.clear,
    hold: (endpoint, point = 'after') => faults.hold(endpoint, point),
    approve,
    issueTokens(userId, clientId, scopes) {
      const client = state.clients.get(clientId)
      if (client === undefined) throw new TypeError(`no client is called "${clientId}"`)
      if (userId !== undefined && !state.users.has(userId)) throw new TypeError(`no user is called "${userId}"`)
      const all = client.scopes ?? (state.scopes === 'any' ? [] : state.scopes)
      const family = tokens.openFamily(clientId, userId, scopes ?? all)
      const access = tokens.mintAccess(family)
      const refresh = userId === undefined ? undefined : firstRefreshToken(state, client, family)
      return {
        accessToken: access.value,
        ...(refresh !== undefined && { refreshToken: refresh.value }),
        scopes: access.scopes,
        ...expiry(access.expiresAt),
      }
    },
    activeTokens() {
      const describe = (kind: 'access' | 'refresh') => (token: Parameters<TokenBook['isRefreshLive']>[0]) => ({
        kind,
        value: token.value,
        ...user(token.family.userId),
        client: token.family.clientId,
        scopes: token.scopes,
        ...expiry(token.expiresAt),
      })
      return [
        ...[...tokens.access.values()].filter(token => tokens.isAccessLive(token)).map(describe('access')),
        ...[...tokens.refresh.values()].filter(token => tokens.isRefreshLive(token)).map(describe('refresh')),
      ]
    },
    allIssuedSecrets: () => [
      ...tokens.access.keys(),
      ...tokens.refresh.keys(),
      ...tokens.idTokens,
      ...state.clientSecrets,
    ],
    allIssuedCodes: () => [...tokens.codes.keys()],
    revokeAccess: id =>
      [...tokens.families.values()].filter(family => family.userId === id && tokens.kill(family)).length,
    killFamily(token) {
      const found = tokens.access.get(token) ?? tokens.refresh.get(token)
      if (found === undefined) throw new TypeError('this provider never issued that token')
      tokens.kill(found.family)
    },
    expireAccessTokens(id) {
      const chosen = [...tokens.access.values()].filter(
        token => tokens.isAccessLive(token) && (id === undefined || token.family.userId === id),
      )
      for (const token of chosen) token.expiresAt = state.clock.now()
      return chosen.length
    },
    rotateSigningKey: () => state.keys.rotate(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
