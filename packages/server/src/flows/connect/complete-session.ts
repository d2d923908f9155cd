import { type Caller, clientOf } from '../../core/caller.ts'
import type { ConnectError, ConnectSession } from '../../core/connect-session.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import { Failure, invalid, notFound } from '../../core/failure.ts'
import type { SessionId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import type { Secret } from '../../core/secret.ts'
import type { User } from '../../core/user.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { heldGeneration, openCredential, openHeld } from '../credentials/open-credential.ts'
import { forgetSecrets, retiredSecrets, retireSecrets } from '../credentials/retired-secrets.ts'
import { sealTokens } from '../credentials/store-tokens.ts'
import { sameText } from './begin-flow.ts'
import type { ConnectParts } from './connect-parts.ts'
import { hashOf } from './open-session.ts'
import { revokePending } from './throw-away.ts'

const wrongCodesThatEnd = 5

/** One session as its owner may see it: an app its own, an operator all, an agent those of its user. */
export async function sessionFor(
  parts: Pick<Parts, 'store' | 'now'>,
  caller: Caller,
  id: SessionId,
): Promise<ConnectSession> {
  const session = await parts.store.asTenant(caller.tenant, rows => rows.sessions.get(id))
  const mine =
    session !== undefined &&
    (caller.kind === 'operator' ||
      (session.createdBy === clientOf(caller) && (caller.kind !== 'agent' || session.user === caller.user)))
  if (!mine) throw notFound()
  return session
}

/**
 * The app says who is signed in there now. Only the person who began may end (row 2): another one gets nothing, and the
 * credential is destroyed.
 */
export async function completeSession(
  parts: ConnectParts,
  caller: Caller,
  id: SessionId,
  input: { readonly completionCode: string; readonly user: User },
): Promise<Connection> {
  const session = await sessionFor(parts, caller, id)
  const now = parts.now()
  if (
    session.status === 'expired' ||
    (now >= session.expiresAt && session.status !== 'completed' && session.status !== 'failed')
  ) {
    await endSession(parts, session, 'expired')
    throw new Failure('expired', 'This connect session is older than 15 minutes. Open a new one.')
  }
  if (session.status !== 'awaiting_completion' || session.connection === undefined)
    throw new Failure('conflict', `This connect session is not awaiting completion; its status is "${session.status}".`)
  if (session.completionHash === undefined || !sameText(hashOf(input.completionCode), session.completionHash)) {
    const failures = session.completionFailures + 1
    if (failures >= wrongCodesThatEnd) await endSession(parts, session, 'failed', 'completion_failed')
    else
      await parts.store.change(caller.tenant, rows =>
        rows.sessions.advance({ ...session, completionFailures: failures }, 'awaiting_completion'),
      )
    throw invalid('/completion_code', 'This is not the completion code that came back with the browser.')
  }
  if (input.user.id !== session.user) {
    await endSession(parts, session, 'failed', 'user_mismatch')
    throw new Failure(
      'user_mismatch',
      'Another person began this connect flow. Nothing was connected; the credential was destroyed.',
    )
  }
  const held = await parts.store.asTenant(caller.tenant, async rows => ({
    pending: await rows.connections.get(session.connection!),
    target: session.repairs === undefined ? undefined : await rows.connections.get(session.repairs),
  }))
  if (!isOfSession(session, held.pending) || (held.target !== undefined && !isOfSession(session, held.target))) {
    await endSession(parts, session, 'failed', 'completion_failed')
    throw notOfSession()
  }
  const connection =
    session.repairs === undefined ? await activate(parts, caller, session) : await moveInto(parts, caller, session)
  parts.revocations.tell({ kind: 'changed', tenant: caller.tenant, connection: connection.id })
  return connection
}

/**
 * A writer to the database could point a session at the connection of somebody else: what was obtained for one person
 * would then become another's (P6). What does not exist any more is judged later.
 */
function isOfSession(session: ConnectSession, connection: Connection | undefined): boolean {
  return (
    connection === undefined || (connection.user === session.user && connection.integration === session.integration)
  )
}

function notOfSession(): Failure {
  return new Failure(
    'conflict',
    'What this connect session holds is not what it was opened for. Nothing was connected; open a new one.',
  )
}

/** What was held for the session is sealed anew, as the first generation of a connection that may be used. */
async function activate(parts: ConnectParts, caller: Caller, session: ConnectSession): Promise<Connection> {
  const id = session.connection!
  const { pending, held, integration } = await parts.store.asTenant(caller.tenant, async rows => ({
    pending: await rows.connections.get(id),
    held: await rows.credentials.get(id),
    integration: await rows.integrations.get(session.integration),
  }))
  if (pending === undefined || pending.status !== 'pending' || held === undefined || integration === undefined)
    throw gone()
  if (!isOfSession(session, pending)) throw notOfSession()
  const now = parts.now()
  const tokens = await openHeld(parts, pending, integration, held)
  const kept = { ...tokens, ...(held.accessExpiresAt !== undefined && { expiresAt: held.accessExpiresAt }) }
  const credential = await sealTokens(parts, pending, integration, kept, heldGeneration + 1, now)
  return parts.store.change(caller.tenant, async rows => {
    if ((await rows.connections.get(id))?.status !== 'pending') throw gone()
    if (!(await rows.sessions.advance({ ...session, status: 'completed' }, 'awaiting_completion')))
      throw new Failure('conflict', 'This connect session is not awaiting completion any more.')
    if (!(await rows.credentials.replace(credential, heldGeneration))) throw gone()
    const connection: Connection = { ...pending, status: 'active', updatedAt: now }
    await rows.connections.update(connection)
    await rows.audit.append([createdEvent(parts, caller, session, connection)])
    return connection
  })
}

function gone(): Failure {
  return new Failure('conflict', 'The connection of this session is gone. Open a new one.')
}

/** A repair or widening: the new credential moves into the connection that agents already name, sealed anew for it. */
async function moveInto(parts: ConnectParts, caller: Caller, session: ConnectSession): Promise<Connection> {
  const { pending, held, target, before, integration } = await parts.store.asTenant(caller.tenant, async rows => ({
    pending: await rows.connections.get(session.connection!),
    held: await rows.credentials.get(session.connection!),
    target: await rows.connections.get(session.repairs!),
    before: await rows.credentials.get(session.repairs!),
    integration: await rows.integrations.get(session.integration),
  }))
  if (
    pending === undefined ||
    held === undefined ||
    integration === undefined ||
    target === undefined ||
    target.status === 'revoked'
  )
    throw new Failure('conflict', 'The connection to repair is gone. Open a new session without `connection`.')
  const isSameAccount = target.accountId === undefined || target.accountId === pending.accountId
  if (!isOfSession(session, pending) || !isOfSession(session, target) || !isSameAccount) throw notOfSession()
  const tokens = await openHeld(parts, pending, integration, held)
  const now = parts.now()
  const generation = (before?.generation ?? 0) + 1
  const next: Connection = {
    ...withoutReason(target),
    status: 'active',
    ...(pending.accountId !== undefined && { accountId: pending.accountId }),
    ...(pending.accountLabel !== undefined && { accountLabel: pending.accountLabel }),
    scopes: pending.scopes,
    requestedScopes: pending.requestedScopes,
    updatedAt: now,
  }
  const kept = { ...tokens, ...(held.accessExpiresAt !== undefined && { expiresAt: held.accessExpiresAt }) }
  const credential = await sealTokens(parts, next, integration, kept, generation, now)
  const moved = await parts.store.change(caller.tenant, async rows => {
    if (
      !(await rows.sessions.advance({ ...session, status: 'completed', connection: target.id }, 'awaiting_completion'))
    )
      throw new Failure('conflict', 'This connect session is not awaiting completion any more.')
    if (before === undefined) await rows.credentials.insert(credential)
    else if (!(await rows.credentials.replace(credential, before.generation)))
      throw new Failure('conflict', 'The connection was renewed at the same moment. Complete again.')
    await rows.credentials.erase(pending.id)
    await rows.connections.update({ ...withoutAccount(pending), status: 'revoked', reason: 'moved', updatedAt: now })
    await rows.connections.update(next)
    const narrowed =
      target.scopes.some(scope => !next.scopes.includes(scope)) ||
      next.scopes.some(scope => !target.scopes.includes(scope))
    await rows.audit.append([
      {
        ...createdEvent(parts, caller, session, next),
        type: target.status === 'active' ? 'connection.created' : 'connection.recovered',
      },
      ...(narrowed
        ? [{ ...createdEvent(parts, caller, session, next), type: 'connection.scopes_changed' as const }]
        : []),
    ])
    return next
  })
  const spent = [
    ...retiredSecrets(parts.store, pending.id, now),
    ...(await spentTokens(parts, target, integration, before)),
  ]
  retireSecrets(parts.store, target.id, spent, now)
  forgetSecrets(parts.store, pending.id)
  return moved
}

/** The tokens that a repair replaced; none when they were obtained for other destinations and do not open. */
async function spentTokens(
  parts: ConnectParts,
  target: Connection,
  integration: Integration,
  before: Credential | undefined,
): Promise<readonly Secret[]> {
  if (before === undefined) return []
  const opened = await openCredential(parts, target, integration, before).catch(() => undefined)
  return [opened?.accessToken, opened?.refreshToken].filter(secret => secret !== undefined)
}

function createdEvent(parts: ConnectParts, caller: Caller, session: ConnectSession, connection: Connection) {
  return eventOf(parts, caller, {
    type: 'connection.created',
    outcome: 'ok',
    user: session.user,
    connection: connection.id,
    integration: connection.integration,
    provider: connection.provider,
    facts: { session: session.id, scopes: connection.scopes },
  })
}

/** Whose account it was is not kept of what never became a connection. */
function withoutAccount(connection: Connection): Connection {
  const { accountId: _id, accountLabel: _label, ...rest } = connection
  return rest
}

function withoutReason(connection: Connection): Connection {
  const { reason: _reason, ...rest } = connection
  return rest
}

/** Ends a session that will not be completed, and destroys what it held. Doing it twice changes nothing. */
export async function endSession(
  parts: ConnectParts,
  session: ConnectSession,
  status: 'expired' | 'failed',
  error?: ConnectError,
): Promise<void> {
  const held = session.connection
  const pending =
    held === undefined || session.status === 'completed'
      ? undefined
      : await parts.store.asTenant(session.tenant, rows => rows.connections.get(held))
  const {
    sealedVerifier: _verifier,
    sealedNonce: _nonce,
    stateHash: _state,
    completionHash: _completion,
    ...rest
  } = session
  const upstream = pending?.status === 'pending' ? await revokePending(parts, pending) : undefined
  await parts.store.change(session.tenant, async rows => {
    const ended = await rows.sessions.advance(
      { ...rest, status, ...(error !== undefined && { error }) },
      session.status,
    )
    if (!ended) return
    if (pending?.status === 'pending') {
      await rows.credentials.erase(pending.id)
      await rows.connections.update({
        ...withoutAccount(pending),
        status: 'revoked',
        reason: error ?? 'not_completed',
        updatedAt: parts.now(),
      })
    }
    await rows.audit.append([
      eventOf(parts, undefined, {
        type: 'connection.refused',
        outcome: error === undefined ? 'error' : 'denied',
        user: session.user,
        integration: session.integration,
        facts: { session: session.id, reason: error ?? 'not_completed', ...(upstream !== undefined && { upstream }) },
      }),
    ])
  })
}

/** Erases what uncompleted sessions hold past their end. Called by a timer and at start. */
export async function expireSessions(parts: ConnectParts, tenant: Caller['tenant']): Promise<number> {
  const overdue = await parts.store.asTenant(tenant, rows => rows.sessions.overdue(parts.now(), 100))
  for (const session of overdue) await endSession(parts, session, 'expired')
  return overdue.length
}
