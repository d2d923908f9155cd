import type { Person } from './people.ts'

/** A browser without scripts: cookies by origin, forms, and no redirect followed unseen. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()

  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const { origin } = new URL(url)
    const jar = this.#cookies.get(origin) ?? new Map<string, string>()
    this.#cookies.set(origin, jar)
    const headers = new Headers(init.headers)
    if (jar.size > 0) headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '))
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';')
      const at = pair.indexOf('=')
      if (attributes.some(text => text.trim().toLowerCase() === 'max-age=0')) jar.delete(pair.slice(0, at))
      else jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }

  async submit(page: string, form: Form, more: Readonly<Record<string, string>> = {}): Promise<Response> {
    const url = new URL(form.action, page).href
    return this.request(url, {
      method: 'POST',
      headers: { origin: new URL(page).origin },
      body: new URLSearchParams([...form.fields.map(([name, value]) => [name, value]), ...Object.entries(more)]),
    })
  }
}

/** One form of a page, with its hidden and ticked fields. */
export interface Form {
  readonly action: string
  readonly fields: readonly (readonly [string, string])[]
  /** All of it, to tell forms apart. */
  readonly html: string
}

/** The forms that post, as they stand in the page. */
export function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', body = '']) => ({
    action: attribute(head, 'action') ?? '',
    fields: [...body.matchAll(/<input\b([^>]*)>/g)].flatMap(([, input = '']) => {
      const name = attribute(input, 'name')
      const type = attribute(input, 'type') ?? 'text'
      const counts = type === 'hidden' || (type === 'checkbox' && /\schecked\b/.test(input))
      return name !== undefined && counts ? [[name, attribute(input, 'value') ?? ''] as const] : []
    }),
    html: body,
  }))
}

function attribute(text: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1]
  return found
    ?.replaceAll(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}

/**
 * Walks one connect flow to its end as that person: our page, `continue`, the provider's consent page, the callback, the
 * return to the app. `consent` answers the provider's page and gives the address to which the browser is sent.
 */
export async function walkConnect(
  connectUrl: string,
  consent: (authorizationUrl: string, browser: Browser) => Promise<string>,
  browser: Browser = new Browser(),
): Promise<URL> {
  const page = await browser.request(connectUrl)
  const form = formsOf(await page.text())[0]
  if (page.status !== 200 || form === undefined) throw new Error(`the connect page answered ${page.status}`)
  const left = await browser.submit(connectUrl, form, { continue: '1' })
  const callback = await consent(locationOf(left, connectUrl), browser)
  const ended = await browser.request(callback)
  const back = new URL(locationOf(ended, callback))
  await (await browser.request(back.href)).arrayBuffer()
  return back
}

/** Picks the person on a stand-in's consent page and says yes. */
export async function consentAtEmulator(authorizationUrl: string, browser: Browser, person: Person): Promise<string> {
  const page = await browser.request(authorizationUrl)
  const html = await page.text()
  const form = formsOf(html).find(({ html }) => html.includes(person.email))
  if (form === undefined) throw new Error(`the provider's consent page (${page.status}) does not offer ${person.email}`)
  // One form for each account, or one form that asks for the account.
  const choice = form.html.includes('name="decision"') ? { user: person.id, decision: 'allow' } : {}
  return locationOf(await browser.submit(authorizationUrl, form, choice), authorizationUrl)
}

function locationOf(answer: Response, from: string): string {
  const location = answer.headers.get('location')
  if (location === null)
    throw new Error(`${new URL(from).origin}${new URL(from).pathname} led nowhere: ${answer.status}`)
  return new URL(location, from).href
}
