import { createHash, timingSafeEqual } from 'node:crypto'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { ConnectError, ConnectSession } from '../../core/connect-session.ts'
import { Failure } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import { Secret } from '../../core/secret.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { providerOf } from '../credentials/provider-of.ts'
import { retireSecrets } from '../credentials/retired-secrets.ts'
import { ConnectRefusal } from './connect-refusal.ts'
import { flowContext } from './flow-context.ts'
import { hashOf } from './open-session.ts'
import { type Ending, endingOf } from './session-outcome.ts'

type Needs = Pick<Parts, 'store' | 'vault' | 'catalogue' | 'now' | 'random' | 'oauth' | 'egress' | 'log'>

/** What a browser brings: the link's secret, the nonce of its cookie, and what the form sent back. */
export interface Browser {
  readonly link: string
  readonly nonce?: string
  readonly formProof?: string
  readonly requestId: string
  readonly ip?: string
}

/** The session behind a link while it may still be begun. Reading it changes nothing (link scanners). */
export async function readSession(
  parts: Pick<Parts, 'store' | 'now'>,
  tenant: TenantId,
  link: string,
): Promise<ConnectSession> {
  const session = await parts.store.asTenant(tenant, rows => rows.sessions.byLink(hashOf(link)))
  if (session === undefined) throw new ConnectRefusal('link_unknown')
  if (session.status === 'expired' || (session.status === 'open' && parts.now() >= session.expiresAt))
    throw new ConnectRefusal('link_expired')
  if (session.status !== 'open') throw new ConnectRefusal('link_used')
  return session
}

/** What the form carries to prove that it was opened by the browser that has the cookie. */
export function formProofOf(nonce: string, link: string): string {
  return createHash('sha256').update(`connect form\n${link}\n${nonce}`).digest('base64url')
}

/**
 * Continue: binds the session to this browser, uses it up and gives the provider's authorization URL. State has 32
 * random bytes; PKCE S256 (RFC 7636) with a verifier that is sealed until the callback. Where the provider has to be
 * asked for its endpoints first and cannot be, the session ends, and whoever sent the person learns it.
 */
export async function beginFlow(
  parts: Needs,
  tenant: TenantId,
  browser: Browser,
  callbackUrl: (integration: Integration) => string,
): Promise<{ readonly kind: 'go'; readonly url: string } | Ending> {
  const session = await fromThisForm(parts, tenant, browser)
  const integration = await parts.store.asTenant(tenant, rows => rows.integrations.get(session.integration))
  if (integration?.clientId === undefined) throw new ConnectRefusal('link_unknown')
  let provider: ResolvedProvider
  try {
    provider = await providerOf(parts, integration)
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown
    const error = unreached[thrown.code]
    if (error === undefined) throw thrown
    parts.log.warn('a connect flow ended before it left', { session: session.id, error, why: thrown.message })
    return endBefore(parts, session, browser, error)
  }
  const state = parts.random(32).toString('base64url')
  const verifier = parts.random(32).toString('base64url')
  const nonce = parts.random(32).toString('base64url')
  const withNonce = session.scopes.includes('openid')
  const url = parts.oauth.authorizationUrl({
    provider,
    clientId: integration.clientId,
    redirectUri: callbackUrl(integration),
    scopes: session.scopes,
    state,
    codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
    ...(withNonce && { nonce }),
  })
  const started: ConnectSession = {
    ...session,
    status: 'started',
    browserHash: hashOf(browser.nonce!),
    stateHash: hashOf(state),
    sealedVerifier: await parts.vault.seal(flowContext(session, integration, 'code_verifier'), new Secret(verifier)),
    ...(withNonce && {
      sealedNonce: await parts.vault.seal(flowContext(session, integration, 'nonce'), new Secret(nonce)),
    }),
    destinationDigest: integration.destinationDigest,
  }
  const mine = await parts.store.change(tenant, rows => rows.sessions.advance(started, 'open'))
  if (!mine) throw new ConnectRefusal('link_used')
  // An agent may be at work on the connection that is repaired, and the provider saw all of this.
  if (session.repairs !== undefined) retireSecrets(parts.store, session.repairs, [new Secret(verifier)], parts.now())
  return { kind: 'go', url }
}

/** What keeps us from asking a provider for its endpoints, in the words of a flow's end (CONTRACT 6, 7). */
const unreached: Readonly<Partial<Record<Failure['code'], ConnectError>>> = {
  provider_unavailable: 'provider_unavailable',
  provider_timeout: 'provider_unavailable',
  host_not_allowed: 'provider_unavailable',
  provider_answer_refused: 'provider_error',
}

/** Decline: the session ends, and whoever sent the person learns it. */
export async function declineFlow(parts: Needs, tenant: TenantId, browser: Browser): Promise<Ending> {
  const session = await fromThisForm(parts, tenant, browser)
  return endBefore(parts, session, browser, 'access_denied')
}

/** Ends a session that has not left for the provider. */
async function endBefore(
  parts: Needs,
  session: ConnectSession,
  browser: Browser,
  error: ConnectError,
): Promise<Ending> {
  const failed: ConnectSession = { ...session, status: 'failed', error }
  const mine = await parts.store.change(session.tenant, async rows => {
    if (!(await rows.sessions.advance(failed, 'open'))) return false
    await rows.audit.append([
      eventOf(parts, undefined, {
        type: 'connection.refused',
        outcome: error === 'access_denied' ? 'denied' : 'error',
        user: session.user,
        integration: session.integration,
        request_id: browser.requestId,
        ...(browser.ip !== undefined && { ip: browser.ip }),
        facts: { session: session.id, reason: error },
      }),
    ])
    return true
  })
  if (!mine) throw new ConnectRefusal('link_used')
  return endingOf(failed, { error })
}

async function fromThisForm(parts: Needs, tenant: TenantId, browser: Browser): Promise<ConnectSession> {
  const session = await readSession(parts, tenant, browser.link)
  const proof = browser.nonce === undefined ? '' : formProofOf(browser.nonce, browser.link)
  if (browser.nonce === undefined || !sameText(proof, browser.formProof ?? '')) throw new ConnectRefusal('form_foreign')
  return session
}

/** Constant-time comparison of texts. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(hashOf(a))
  const right = Buffer.from(hashOf(b))
  return timingSafeEqual(left, right) && a.length === b.length
}
