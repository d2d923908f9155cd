import type { ConnectError, ConnectSession } from '../../core/connect-session.ts'
import type { Connection } from '../../core/connection.ts'
import { makeId, type TenantId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import type { Secret } from '../../core/secret.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import { type CallbackVerdict, judgeCallback } from '../../engines/oauth/judge-callback.ts'
import type { Account } from '../../engines/oauth/oauth.ts'
import { eventOf } from '../audit/event.ts'
import { openClient } from '../credentials/open-client.ts'
import { heldGeneration } from '../credentials/open-credential.ts'
import { providerOf } from '../credentials/provider-of.ts'
import { retireSecrets } from '../credentials/retired-secrets.ts'
import { sendFor } from '../credentials/send-for.ts'
import { sealTokens } from '../credentials/store-tokens.ts'
import type { ConnectParts } from './connect-parts.ts'
import { ConnectRefusal, type RefusalReason } from './connect-refusal.ts'
import { flowContext } from './flow-context.ts'
import { hashOf } from './open-session.ts'
import { type Ending, endingOf } from './session-outcome.ts'
import { countStranger } from './stranger-refusals.ts'
import { revokeTokens } from './throw-away.ts'

export interface Callback {
  readonly integration: string
  readonly params: URLSearchParams
  /** The nonce cookie of the session, found by the session's id. */
  readonly nonceOf: (session: ConnectSession) => string | undefined
  readonly requestId: string
  readonly ip?: string
}

/**
 * The provider's answer comes back. Everything that is wrong before the state is taken leaves the state alone; from then
 * on the state is used up, whatever happens (RFC 9700 section 4.7). The code is redeemed only for the session that
 * browser, integration and state agree on (rows 1, 2, 4, 6, 20).
 */
export async function takeCallback(
  parts: ConnectParts,
  tenant: TenantId,
  callback: Callback,
  callbackUrl: (integration: Integration) => string,
): Promise<Ending> {
  const { session, integration } = await findFlow(parts, tenant, callback)
  const provider = await providerOf(parts, integration).catch(() => undefined)
  if (provider === undefined) return fail(parts, session, callback, 'provider_unavailable', 'discovery_failed')
  const judged: CallbackVerdict = judgeCallback(callback.params, {
    ...(provider.issuer !== undefined && { issuer: provider.issuer }),
    issParameter: provider.issParameter,
  })
  const { stateHash, ...rest } = session
  const taken = { ...rest, status: 'started' } satisfies ConnectSession
  const mine = await parts.store.change(tenant, rows => rows.sessions.advance(taken, 'started', stateHash))
  if (!mine) throw await refused(parts, tenant, callback, 'state_unknown', session)
  if (judged.kind === 'refused') {
    await fail(parts, taken, callback, 'provider_error', 'issuer_wrong')
    throw new ConnectRefusal('issuer_wrong')
  }
  if (judged.kind === 'error') return fail(parts, taken, callback, errorOf(judged.error), judged.error)
  if (session.sealedVerifier === undefined || session.destinationDigest !== integration.destinationDigest)
    return fail(parts, taken, callback, 'provider_error', 'destination_changed')

  const codeVerifier = await parts.vault.open(
    flowContext(session, integration, 'code_verifier'),
    session.sealedVerifier,
  )
  const ofFlow = [judged.code, codeVerifier]
  if (session.repairs !== undefined) retireSecrets(parts.store, session.repairs, ofFlow, parts.now())
  const answer = await parts.oauth.redeemCode(sendFor(parts, tenant), {
    provider,
    client: await openClient(parts, integration),
    redirectUri: callbackUrl(integration),
    code: judged.code,
    codeVerifier,
    ...(session.sealedNonce !== undefined && {
      nonce: (await parts.vault.open(flowContext(session, integration, 'nonce'), session.sealedNonce)).reveal(),
    }),
    requestedScopes: session.scopes,
    now: parts.now(),
  })
  if (answer.kind === 'unreachable')
    return fail(parts, taken, callback, 'provider_unavailable', 'token_endpoint_unreachable')
  if (answer.kind === 'refused')
    return fail(parts, taken, callback, 'provider_error', 'token_answer_refused', answer.why)
  if (answer.kind === 'error')
    return fail(
      parts,
      taken,
      callback,
      answer.class === 'transient' ? 'provider_unavailable' : 'provider_error',
      answer.error,
    )
  const { tokens } = answer

  let account: Account | undefined
  try {
    account = await parts.oauth.account(sendFor(parts, tenant), { provider, tokens })
  } catch (cause) {
    parts.log.warn('the account behind a new connection could not be told', { session: session.id, error: cause })
    await revokeTokens(parts, integration, tokens, undefined)
    return fail(parts, taken, callback, 'provider_unavailable', 'account_unknown')
  }
  const wanted = session.scopes.filter(
    scope => scope !== 'offline_access' && !(provider.entry.oauth.identityScopes ?? []).includes(scope),
  )
  if (wanted.length > 0 && !wanted.some(scope => tokens.scopes.includes(scope))) {
    const upstream = await revokeTokens(parts, integration, tokens, account)
    return fail(parts, taken, callback, 'scopes_refused', 'scopes_refused', undefined, upstream)
  }
  if (session.repairs !== undefined) {
    const repairs = session.repairs
    const before = await parts.store.asTenant(tenant, rows => rows.connections.get(repairs))
    if (
      before === undefined ||
      before.status === 'revoked' ||
      (before.accountId !== undefined && before.accountId !== account?.id)
    ) {
      const upstream = await revokeTokens(parts, integration, tokens, account)
      return fail(parts, taken, callback, 'account_mismatch', 'account_mismatch', undefined, upstream)
    }
  }
  return hold(parts, taken, integration, tokens, account, callback, [...ofFlow, ...tokens.otherSecrets])
}

/** Keeps the credential sealed in a pending connection until the app says who is signed in there. */
async function hold(
  parts: ConnectParts,
  session: ConnectSession,
  integration: Integration,
  tokens: TokenSet,
  account: Account | undefined,
  callback: Callback,
  spent: readonly Secret[],
): Promise<Ending> {
  const now = parts.now()
  const completionCode = parts.random(32).toString('base64url')
  const pending: Connection = {
    id: makeId('con', now, parts.random(10)),
    tenant: session.tenant,
    user: session.user,
    integration: integration.id,
    provider: integration.provider,
    status: 'pending',
    ...(account !== undefined && { accountId: account.id, accountLabel: account.label }),
    scopes: tokens.scopes,
    requestedScopes: session.scopes,
    kind: 'oauth2',
    createdAt: now,
    updatedAt: now,
  }
  const credential = await sealTokens(parts, pending, integration, tokens, heldGeneration, now)
  const { sealedVerifier: _verifier, sealedNonce: _nonce, ...rest } = session
  const awaiting: ConnectSession = {
    ...rest,
    status: 'awaiting_completion',
    connection: pending.id,
    completionHash: hashOf(completionCode),
  }
  const held = await parts.store.change(session.tenant, async rows => {
    if (!(await rows.sessions.advance(awaiting, 'started'))) return false
    await rows.connections.insert(pending)
    await rows.credentials.insert(credential)
    return true
  })
  if (!held) throw await refused(parts, session.tenant, callback, 'state_unknown', session)
  retireSecrets(parts.store, pending.id, spent, now)
  return endingOf(awaiting, { completionCode })
}

/** Matches the answer to one flow, before anything is used up. */
async function findFlow(
  parts: ConnectParts,
  tenant: TenantId,
  callback: Callback,
): Promise<{ readonly session: ConnectSession; readonly integration: Integration }> {
  const { params } = callback
  // Counted in one pass: a stranger may send many thousands of names.
  const names = [...params.keys()]
  if (new Set(names).size < names.length) throw await refused(parts, tenant, callback, 'parameter_repeated')
  const state = params.get('state')
  if (state === null || state === '') throw await refused(parts, tenant, callback, 'state_missing')
  const found = await parts.store.asTenant(tenant, async rows => {
    const session = await rows.sessions.byState(hashOf(state))
    return {
      session,
      integration: session === undefined ? undefined : await rows.integrations.get(session.integration),
    }
  })
  const { session, integration } = found
  if (session === undefined || integration === undefined || session.status !== 'started')
    throw await refused(parts, tenant, callback, 'state_unknown', session)
  if (session.integration !== callback.integration)
    throw await refused(parts, tenant, callback, 'other_integration', session)
  if (parts.now() >= session.expiresAt) throw await refused(parts, tenant, callback, 'state_expired', session)
  const nonce = callback.nonceOf(session)
  if (nonce === undefined || hashOf(nonce) !== session.browserHash)
    throw await refused(parts, tenant, callback, 'other_browser', session)
  return { session, integration }
}

async function refused(
  parts: ConnectParts,
  tenant: TenantId,
  callback: Callback,
  reason: RefusalReason,
  session?: ConnectSession,
): Promise<ConnectRefusal> {
  const stranger = session === undefined ? countStranger(parts.store, tenant, parts.now()) : { leftOut: 0 }
  if (stranger === undefined) return new ConnectRefusal(reason)
  await parts.store.record(tenant, {
    event: eventOf(parts, undefined, {
      type: 'connection.refused',
      outcome: 'denied',
      ...(session !== undefined && { user: session.user, integration: session.integration }),
      request_id: callback.requestId,
      ...(callback.ip !== undefined && { ip: callback.ip }),
      facts: {
        reason,
        ...(session !== undefined && { session: session.id }),
        ...(stranger.leftOut > 0 && { left_out: stranger.leftOut }),
      },
    }),
  })
  return new ConnectRefusal(reason)
}

async function fail(
  parts: ConnectParts,
  session: ConnectSession,
  callback: Callback,
  error: ConnectError,
  reason: string,
  why?: string,
  upstream?: 'revoked' | 'kept' | 'failed' | 'unsupported',
): Promise<Ending> {
  if (why !== undefined) parts.log.warn('a connect flow ended', { session: session.id, error, reason, why })
  const { sealedVerifier: _verifier, sealedNonce: _nonce, stateHash: _state, ...rest } = session
  const failed: ConnectSession = { ...rest, status: 'failed', error }
  await parts.store.change(session.tenant, async rows => {
    await rows.sessions.advance(failed, 'started')
    await rows.audit.append([
      eventOf(parts, undefined, {
        type: 'connection.refused',
        outcome: error === 'access_denied' ? 'denied' : 'error',
        user: session.user,
        integration: session.integration,
        request_id: callback.requestId,
        ...(callback.ip !== undefined && { ip: callback.ip }),
        facts: { session: session.id, error, reason, ...(upstream !== undefined && { upstream }) },
      }),
    ])
  })
  return endingOf(failed, { error })
}

/** The provider's error code (RFC 6749 section 4.1.2.1) in our words. Its description is never shown. */
function errorOf(code: string): ConnectError {
  switch (code) {
    case 'access_denied':
      return 'access_denied'
    case 'invalid_scope':
      return 'scopes_refused'
    case 'temporarily_unavailable':
    case 'server_error':
      return 'provider_unavailable'
    default:
      return 'provider_error'
  }
}
