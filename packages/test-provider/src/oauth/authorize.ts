import { randomBytes } from 'node:crypto'
import { type Answer, type Exchange, empty, escapeHtml, page } from '../http/exchange.ts'
import { judgeScopes, type PendingAuthorization, type ProviderState, splitScopes } from './provider-state.ts'

/**
 * GET of the authorization endpoint. Without a known client and an exactly registered redirect URI there is an error
 * page and no redirect (RFC 6749 section 4.1.2.1); every other fault goes back to the client.
 */
export function authorize(state: ProviderState, exchange: Exchange): Answer {
  const { query } = exchange
  state.tokens.stats.authorizations += 1
  for (const name of new Set(query.keys())) {
    if (query.getAll(name).length > 1) return refusePage(`The parameter "${name}" is repeated.`)
  }
  const client = state.clients.get(query.get('client_id') ?? '')
  if (client === undefined) return refusePage('The client_id is missing or unknown.')
  const redirectUri = query.get('redirect_uri') ?? ''
  if (!client.redirectUris.includes(redirectUri)) {
    return refusePage(`The redirect_uri is not exactly one of those registered for "${client.id}".`)
  }
  const requestState = query.get('state')
  const back = (error: string, detail: string) =>
    respond(state, redirectUri, requestState ?? undefined, { error, error_description: detail })

  const responseType = query.get('response_type') ?? (state.surface.isResponseTypeOptional ? 'code' : undefined)
  if (responseType !== 'code') {
    return back('unsupported_response_type', 'only response_type=code is offered')
  }
  if ((query.get('response_mode') ?? 'query') !== 'query') {
    return back('invalid_request', 'only response_mode=query is offered')
  }
  if (!client.grantTypes.includes('authorization_code')) {
    return back('unauthorized_client', 'the client is not registered for authorization_code')
  }
  const pkceFault = judgeChallenge(state, query)
  if (pkceFault !== undefined) return back('invalid_request', pkceFault)
  const asked = [...splitScopes(query.get('scope')), ...splitScopes(query.get('optional_scope'))]
  const scopes = judgeScopes(state, client, asked)
  if (scopes.unknown.length > 0) {
    return back('invalid_scope', `unknown or not allowed: ${scopes.unknown.join(' ')}`)
  }
  if (query.get('prompt') === 'none') return back('login_required', 'nobody is signed in here')

  const challenge = state.pkce === 'ignored' ? null : query.get('code_challenge')
  const nonce = query.get('nonce')
  const pending: PendingAuthorization = {
    client,
    redirectUri,
    granted: scopes.granted,
    ...(requestState !== null && { state: requestState }),
    ...(challenge !== null && { challenge }),
    ...(nonce !== null && { nonce }),
  }
  if (state.autoApprove !== undefined) return grant(state, pending, state.autoApprove, scopes.granted)
  const transaction = randomBytes(32).toString('base64url')
  state.pending.set(transaction, pending)
  return consentPage(state, pending, transaction, query.get('login_hint'))
}

/** POST of the consent form. One use; the answer is a 303 so that the form is not sent on (RFC 9700 section 4.12). */
export function decide(state: ProviderState, exchange: Exchange): Answer {
  const form = new URLSearchParams(exchange.body.toString('utf8'))
  const transaction = form.get('transaction') ?? ''
  const pending = state.pending.get(transaction)
  if (pending === undefined) return refusePage('This consent page was answered already or never shown. Start again.')
  if (form.get('decision') === 'deny') {
    state.pending.delete(transaction)
    state.tokens.stats.denials += 1
    return respond(state, pending.redirectUri, pending.state, {
      error: 'access_denied',
      error_description: 'the person said no',
    })
  }
  const user = form.get('user') ?? ''
  if (form.get('decision') !== 'allow' || !state.users.has(user)) return refusePage('Choose a person and a decision.')
  state.pending.delete(transaction)
  const chosen = form.getAll('scope')
  return grant(
    state,
    pending,
    user,
    pending.granted.filter(scope => chosen.includes(scope)),
  )
}

function grant(state: ProviderState, pending: PendingAuthorization, userId: string, scopes: readonly string[]): Answer {
  const code = state.tokens.mintCode({
    clientId: pending.client.id,
    userId,
    redirectUri: pending.redirectUri,
    scopes,
    ...(pending.challenge !== undefined && { challenge: pending.challenge }),
    ...(pending.nonce !== undefined && { nonce: pending.nonce }),
    authenticatedAt: state.baseNow(),
  })
  return respond(state, pending.redirectUri, pending.state, { code: code.value })
}

/** What PKCE demands of an authorization request (RFC 7636 section 4.3); `plain` is never taken. */
function judgeChallenge(state: ProviderState, query: URLSearchParams): string | undefined {
  const challenge = query.get('code_challenge')
  const method = query.get('code_challenge_method')
  if (state.pkce === 'ignored') return undefined
  if (state.pkce === 'forbidden') {
    return challenge !== null || method !== null ? 'this provider does not take PKCE parameters' : undefined
  }
  if (challenge === null) {
    if (method !== null) return 'code_challenge_method without code_challenge'
    return state.pkce === 'required' ? 'code_challenge is required' : undefined
  }
  if (method !== 'S256') return 'code_challenge_method must be S256'
  return /^[A-Za-z0-9_-]{43}$/.test(challenge) ? undefined : 'code_challenge must be 43 base64url characters'
}

/** The authorization response, with `iss` (RFC 9207) and whatever the quirks make of it. */
function respond(
  state: ProviderState,
  redirectUri: string,
  requestState: string | undefined,
  members: Readonly<Record<string, string>>,
): Answer {
  const { quirks } = state
  const location = new URL(redirectUri)
  for (const [name, value] of Object.entries(members)) location.searchParams.append(name, value)
  if (members.code !== undefined && quirks.has('code-repeated')) location.searchParams.append('code', members.code)
  if (requestState !== undefined && !quirks.has('state-missing')) {
    location.searchParams.append('state', quirks.has('state-altered') ? `${requestState}x` : requestState)
  }
  const iss = issParameter(state)
  if (iss !== undefined) location.searchParams.append('iss', iss)
  return empty(303, { location: location.href, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
}

function issParameter({ quirks, issuer, surface }: ProviderState): string | undefined {
  if (quirks.has('wrong-iss')) return 'https://another-issuer.example'
  if (quirks.has('iss-trailing-slash')) return `${issuer}/`
  if (quirks.has('iss-upper-case')) return issuer.toUpperCase()
  return quirks.has('no-iss') || !surface.paths.isDiscoverable ? undefined : issuer
}

function consentPage(
  state: ProviderState,
  pending: PendingAuthorization,
  transaction: string,
  hint: string | null,
): Answer {
  const users = [...state.users.values()]
  const hinted = users.find(user => user.id === hint || user.email === hint) ?? users[0]
  const people = users
    .map(
      user => `<p><label><input type="radio" name="user" value="${escapeHtml(user.id)}"${user === hinted ? ' checked' : ''}>
${escapeHtml(user.name)} (${escapeHtml(user.email)})</label></p>`,
    )
    .join('\n')
  const scopes = pending.granted
    .map(
      scope => `<p><label><input type="checkbox" name="scope" value="${escapeHtml(scope)}" checked>
${escapeHtml(scope)}</label></p>`,
    )
    .join('\n')
  return page(
    200,
    `Test ${state.surface.vendor} provider`,
    `<p><strong>${escapeHtml(pending.client.id)}</strong> asks for access and sends you back to
${escapeHtml(new URL(pending.redirectUri).host || pending.redirectUri)}.</p>
<form method="post" action="${escapeHtml(state.url + state.surface.paths.authorize)}">
<input type="hidden" name="transaction" value="${transaction}">
<fieldset><legend>Who are you?</legend>
${people}
</fieldset>
<fieldset><legend>What may it use?</legend>
${scopes || '<p>Nothing in particular.</p>'}
</fieldset>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>`,
  )
}

function refusePage(detail: string): Answer {
  return page(400, 'This request cannot be answered', `<p>${escapeHtml(detail)}</p>`)
}
