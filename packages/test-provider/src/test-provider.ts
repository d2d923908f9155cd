import type { IncomingMessage, ServerResponse } from 'node:http'
import { genericSurface } from './api/generic-surface.ts'
import { createClock } from './clock.ts'
import { createFaultScript } from './faults.ts'
import { type Listener, listen } from './http/listener.ts'
import { createRequestLog } from './http/request-log.ts'
import { serve } from './http/serve.ts'
import { hubSpotSurface } from './hubspot/hubspot-surface.ts'
import { notionSurface } from './notion/notion-surface.ts'
import { oauthRoutes } from './oauth/oauth-routes.ts'
import type { ProviderState, Surface } from './oauth/provider-state.ts'
import { addClient, addUser } from './oauth/registration.ts'
import { createSigningKeys } from './oauth/signing-keys.ts'
import { TokenBook } from './oauth/token-book.ts'
import { judgeOptions, type TestProviderOptions, type Vendor } from './options.ts'
import { createHandle, type TestProvider } from './provider-handle.ts'
import { type QuirkName, quirkSet } from './quirks.ts'

export { type ReflectionName, reflections } from './api/reflections.ts'
export { type Fault, type FaultKind, faultKinds, type Hold, type HoldPoint } from './faults.ts'
export { type EndpointName, endpointNames } from './http/exchange.ts'
export type { RecordedRequest, RequestLog } from './http/request-log.ts'
export { type Approval, approve } from './oauth/approve.ts'
export type { Stats } from './oauth/token-book.ts'
export type * from './options.ts'
export type { ActiveToken, IssuedTokens, TestProvider } from './provider-handle.ts'
export { type QuirkName, quirkNames, quirks } from './quirks.ts'

const surfaces: Readonly<Record<Vendor, Surface>> = {
  generic: genericSurface,
  notion: notionSurface,
  hubspot: hubSpotSurface,
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
