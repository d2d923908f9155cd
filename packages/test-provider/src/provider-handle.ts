import type { ProviderClock } from './clock.ts'
import type { createFaultScript, Fault, Hold, HoldPoint } from './faults.ts'
import type { EndpointName } from './http/exchange.ts'
import type { RequestLog } from './http/request-log.ts'
import { type Approval, approve } from './oauth/approve.ts'
import type { ProviderState } from './oauth/provider-state.ts'
import { addClient, addUser } from './oauth/registration.ts'
import type { Stats, TokenBook } from './oauth/token-book.ts'
import { firstRefreshToken } from './oauth/token-endpoint.ts'
import type { ClientOptions, UserOptions } from './options.ts'
import type { QuirkName } from './quirks.ts'

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

/** What the test holds in its hand. */
export function createHandle(
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
