import { errorOf, ValetkeyError } from './valetkey-error.ts'

/**
 * Where access tokens for Valetkey come from. `current` gives one that is not known to be over; `after` is asked once
 * when an answer said that `refused` is no longer good, and gives another, or undefined when there is none to be had.
 */
export interface TokenSource {
  current(): Promise<string | undefined>
  after(refused: string): Promise<string | undefined>
}

/** What every source needs of the world. */
export interface TokenWorld {
  /** The base URL, without a slash at its end. */
  readonly base: string
  readonly fetch: typeof fetch
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Held {
  readonly token: string
  /** When to ask for the next one, before this one ends. */
  readonly renewAt: number
  readonly endsAt: number
}

/** The transport itself proves who calls (the operator's socket): no token is sent. */
export const noTokens: TokenSource = { current: async () => undefined, after: async () => undefined }

/** A token that the caller holds, or gets. */
export function givenTokens(token: string | (() => Promise<string>)): TokenSource {
  if (typeof token === 'string') return { current: async () => token, after: async () => undefined }
  return {
    current: token,
    after: async refused => {
      const next = await token()
      return next === refused ? undefined : next
    },
  }
}

/** Client credentials (RFC 6749 section 4.4) by `client_secret_basic`: held until shortly before the end, asked for once at a time. */
export function clientTokens(
  world: TokenWorld,
  client: {
    readonly id: string
    readonly secret: string
    readonly scopes?: readonly string[]
    readonly resource?: string
  },
): TokenSource {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (client.scopes !== undefined) form.set('scope', client.scopes.join(' '))
  if (client.resource !== undefined) form.set('resource', client.resource)
  const authorization = `Basic ${base64(`${formEncoded(client.id)}:${formEncoded(client.secret)}`)}`
  return keeping(world, undefined, 0.1, () =>
    askForToken(world, `${world.base}/oauth/token`, {
      authorization,
      'content-type': 'application/x-www-form-urlencoded',
      body: form.toString(),
    }),
  )
}

/**
 * The token of one task, renewed by itself: with the agent's own credentials when it has them, else with the live task
 * token. In the second case it is renewed from half of its life on, because nothing renews a token that has ended.
 */
export function taskTokens(
  world: TokenWorld,
  task: { readonly id: string; readonly token: string; readonly expiresInSeconds?: number },
  agent: TokenSource | undefined,
): TokenSource {
  const life = task.expiresInSeconds ?? lifeLeftOf(task.token, world.now())
  const share = agent === undefined ? 0.5 : 0.1
  const first = life === undefined ? eternal(task.token) : held(task.token, life, share, world.now())
  return keeping(world, first, share, async last => {
    const bearer = agent === undefined ? last : await agent.current()
    if (bearer === undefined)
      throw new TypeError('A task is renewed by its own token or by its agent; neither is known.')
    const url = `${world.base}/v1/tasks/${encodeURIComponent(task.id)}/renew`
    const ask = (token: string) => askForToken(world, url, { authorization: `Bearer ${token}` })
    try {
      return await ask(bearer)
    } catch (error) {
      if (agent === undefined || !ValetkeyError.is(error) || error.status !== 401) throw error
      const next = await agent.after(bearer)
      if (next === undefined) throw error
      return ask(next)
    }
  })
}

function keeping(
  world: TokenWorld,
  first: Held | undefined,
  share: number,
  obtain: (last: string | undefined) => Promise<{ readonly token: string; readonly life: number }>,
): TokenSource {
  let holding = first
  let underway: Promise<string> | undefined
  const renewed = () => {
    underway ??= obtain(holding?.token)
      .then(({ token, life }) => {
        holding = held(token, life, share, world.now())
        return token
      })
      .finally(() => {
        underway = undefined
      })
    return underway
  }
  return {
    async current() {
      const before = holding
      if (before !== undefined && world.now() < before.renewAt) return before.token
      try {
        return await renewed()
      } catch (error) {
        // A token that still lives outlasts a failing token endpoint, but not a refusal.
        const isOutage = ValetkeyError.is(error) && (error.status === 0 || error.status >= 500)
        if (!isOutage || before === undefined || world.now() >= before.endsAt) throw error
        if (holding === before) holding = { ...before, renewAt: world.now() + 5_000 }
        return before.token
      }
    },
    async after(refused) {
      // Another call may have renewed it while this one was on its way.
      if (holding !== undefined && holding.token !== refused) return holding.token
      return renewed()
    },
  }
}

async function askForToken(
  world: TokenWorld,
  url: string,
  { body, ...headers }: { readonly authorization: string; readonly 'content-type'?: string; readonly body?: string },
): Promise<{ readonly token: string; readonly life: number }> {
  const init: RequestInit = {
    method: 'POST',
    headers: { accept: 'application/json', ...headers },
    redirect: 'error',
    credentials: 'omit',
    ...(body !== undefined && { body }),
  }
  let response: Response
  try {
    // Asking twice for a token harms nobody: one retry where no answer came.
    response = await world
      .fetch(url, { ...init, signal: AbortSignal.timeout(30_000) })
      .catch(() => world.fetch(url, { ...init, signal: AbortSignal.timeout(30_000) }))
  } catch (cause) {
    throw new ValetkeyError({
      code: 'unreachable',
      status: 0,
      title: 'Valetkey gave no answer',
      detail: `No access token: Valetkey at ${world.base} gave no answer. Check that it runs and that this URL is right.`,
      cause,
    })
  }
  if (!response.ok) throw await errorOf(response)
  const answer = (await response.json().catch(() => undefined)) as Record<string, unknown> | undefined
  const token = answer?.access_token
  const life = answer?.expires_in
  if (typeof token !== 'string' || token === '' || typeof life !== 'number' || !(life > 0)) {
    throw new ValetkeyError({
      code: 'unexpected_answer',
      status: response.status,
      detail:
        "Expected access_token and expires_in from the token endpoint. Check that the URL is Valetkey's base URL.",
    })
  }
  return { token, life }
}

function held(token: string, lifeSeconds: number, share: number, now: number): Held {
  const life = lifeSeconds * 1000
  // A tenth is enough for a client that can always ask again, and never more than a minute.
  const early = share < 0.5 ? Math.min(life * share, 60_000) : life * share
  return { token, renewAt: now + life - early, endsAt: now + life }
}

function eternal(token: string): Held {
  return { token, renewAt: Number.POSITIVE_INFINITY, endsAt: Number.POSITIVE_INFINITY }
}

/** A hint about when to renew, never a judgement: `exp` of the token if it can be read. */
function lifeLeftOf(token: string, now: number): number | undefined {
  try {
    const payload = token.split('.')[1]
    if (payload === undefined) return undefined
    const { exp } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { exp?: unknown }
    return typeof exp === 'number' ? Math.max(0, exp - now / 1000) : undefined
  } catch {
    return undefined
  }
}

/** RFC 6749 section 2.3.1: both halves are form-encoded before they are joined. */
function formEncoded(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1)
}

function base64(value: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(value)))
}
