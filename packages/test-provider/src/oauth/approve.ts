/** Who answers the consent page, and how. */
export interface Approval {
  /** The id of the person who consents. */
  readonly user: string
  /** Press "Deny" instead. */
  readonly deny?: boolean
  /** Tick only these of the offered scopes. */
  readonly scopes?: readonly string[]
}

/**
 * Does over HTTP what a person does in the browser: opens the authorization URL, picks who they are, presses the button.
 * Answers the address the browser is then sent to (the client's redirect URI with `code` or `error`) without opening it.
 * @example const location = await approve(authorizationUrl, { user: 'alice' })
 */
export async function approve(authorizationUrl: string, approval: Approval): Promise<string> {
  const shown = await fetch(authorizationUrl, { redirect: 'manual' })
  const html = await shown.text()
  const immediate = shown.headers.get('location')
  if (immediate !== null) return immediate
  if (shown.status !== 200) throw new Error(`the provider shows ${shown.status} instead of consent: ${textOf(html)}`)
  const action = attribute(/<form method="post" action="([^"]*)"/, html)
  const form = new URLSearchParams({
    transaction: attribute(/name="transaction" value="([^"]*)"/, html),
    user: approval.user,
    decision: approval.deny === true ? 'deny' : 'allow',
  })
  const offered = [...html.matchAll(/name="scope" value="([^"]*)"/g)].map(([, value]) => unescapeHtml(value!))
  for (const scope of offered) if (approval.scopes?.includes(scope) ?? true) form.append('scope', scope)
  const decided = await fetch(new URL(action, authorizationUrl), { method: 'POST', body: form, redirect: 'manual' })
  const text = await decided.text()
  const location = decided.headers.get('location')
  if (location === null) throw new Error(`the provider answers consent with ${decided.status}: ${textOf(text)}`)
  return location
}

function attribute(pattern: RegExp, html: string): string {
  const found = pattern.exec(html)
  if (found === null) throw new Error('this is not a consent page of the test provider')
  return unescapeHtml(found[1]!)
}

function unescapeHtml(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
}

function textOf(html: string): string {
  return unescapeHtml(html.replace(/<title>.*?<\/title>|<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim()
}
