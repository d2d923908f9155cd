import { createHash, randomBytes } from 'node:crypto'
import { startTestProvider, type TestProvider, type TestProviderOptions } from './test-provider.ts'

type Members = Readonly<Record<string, string | undefined>>

/** A token answer as it came, parsed where it is JSON. */
export interface AppAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came
  readonly body: any
}

/** A small OAuth client at a fresh provider: what the tests of this package drive it with. */
export interface AppAtProvider {
  readonly provider: TestProvider
  readonly redirectUri: string
  readonly verifier: string
  authorizationUrl(changed?: Members): string
  /** Consents and answers the parameters that came back. */
  consent(user?: string, changed?: Members): Promise<URLSearchParams>
  exchange(code: string, changed?: Members): Promise<AppAnswer>
  /** Consent and exchange in one. */
  connect(user?: string, changed?: Members): Promise<AppAnswer>
  refresh(refreshToken: string, changed?: Members): Promise<AppAnswer>
  /** Any request to the token endpoint, authenticated by Basic unless the headers say otherwise. */
  token(members: Members, headers?: Members): Promise<AppAnswer>
  call(path: string, accessToken: string, init?: RequestInit): Promise<Response>
}

const running: TestProvider[] = []
const clientId = 'app'
const secret = 'app:s3cret/+%'

/** Ends every provider that a test started. */
export async function closeAll(): Promise<void> {
  for (const provider of running.splice(0)) await provider.close()
}

/** Starts a provider with one registered app. */
export async function startApp(options: TestProviderOptions = {}): Promise<AppAtProvider> {
  const redirectUri = 'http://127.0.0.1:9/callback'
  const provider = await startTestProvider({
    clients: [{ id: clientId, secret, redirectUris: [redirectUri] }],
    ...options,
  })
  running.push(provider)
  const isJson = (options.vendor === 'notion' || options.quirks?.includes('json-token-request')) ?? false
  const isPost = options.vendor === 'hubspot'
  const verifier = randomBytes(32).toString('base64url')
  const present = (members: Members) =>
    Object.fromEntries(Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined))

  const app: AppAtProvider = {
    provider,
    redirectUri,
    verifier,
    authorizationUrl(changed = {}) {
      const url = new URL(provider.endpoints.authorize)
      const params = present({
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: isPost ? 'oauth crm.objects.contacts.read' : 'openid email items:read offline_access',
        state: 'st&te=1',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...changed,
      })
      for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
      return url.href
    },
    async consent(user = 'alice', changed = {}) {
      return new URL(await provider.approve(app.authorizationUrl(changed), { user })).searchParams
    },
    exchange: (code, changed = {}) =>
      app.token({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        ...changed,
      }),
    connect: async (user = 'alice', changed = {}) =>
      app.exchange((await app.consent(user, changed)).get('code') ?? 'no code came'),
    refresh: (refreshToken, changed = {}) =>
      app.token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...changed }),
    async token(members, headers = {}) {
      const basic = Buffer.from(`${clientId}:${encodeURIComponent(secret)}`).toString('base64')
      const all = present({ ...(isPost && { client_id: clientId, client_secret: secret }), ...members })
      const response = await fetch(provider.endpoints.token, {
        method: 'POST',
        headers: present({
          'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded',
          authorization: isPost ? undefined : `Basic ${basic}`,
          ...headers,
        }),
        body: isJson ? JSON.stringify(all) : new URLSearchParams(all).toString(),
      })
      const text = await response.text()
      const type = response.headers.get('content-type') ?? ''
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: type.includes('json') && text.length < 1e6 && !text.includes('[[[[') ? JSON.parse(text) : undefined,
      }
    },
    call: (path, accessToken, init = {}) => {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${accessToken}`)
      return fetch(provider.url + path, { redirect: 'manual', ...init, headers })
    },
  }
  return app
}
