import type { Selectable } from 'kysely'
import type { ConnectSession } from '../../../core/connect-session.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { parsed, present } from './present.ts'

/** Connect sessions; each step of one happens once. */
export function sessionsOf(scope: Scope): TenantRows['sessions'] {
  const { db, tenant } = scope
  const all = () => db.selectFrom('connect_sessions').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async byLink(linkHash) {
      const row = await all().where('link_hash', '=', linkHash).executeTakeFirst()
      return row && fromRow(row)
    },
    async byState(stateHash) {
      const row = await all().where('state_hash', '=', stateHash).executeTakeFirst()
      return row && fromRow(row)
    },
    async insert(session) {
      assertOwn(scope, session)
      await db.insertInto('connect_sessions').values(toRow(session)).execute()
    },
    async advance(session, from, stateHash) {
      assertOwn(scope, session)
      const { tenant_id, id, ...rest } = toRow(session)
      let query = db
        .updateTable('connect_sessions')
        .set(rest)
        .where('tenant_id', '=', tenant_id)
        .where('id', '=', id)
        .where('status', '=', from)
      if (stateHash !== undefined) query = query.where('state_hash', '=', stateHash)
      const done = await query.executeTakeFirst()
      return done.numUpdatedRows === 1n
    },
    async overdue(now, limit) {
      const rows = await all()
        .where('expires_at', '<=', now)
        .where(is =>
          is.or([
            is('status', 'in', ['open', 'started', 'awaiting_completion']),
            is('sealed_verifier', 'is not', null),
            is('sealed_nonce', 'is not', null),
          ]),
        )
        .orderBy('expires_at')
        .limit(limit)
        .execute()
      return rows.map(fromRow)
    },
  }
}

type Row = Selectable<Schema['connect_sessions']>

function fromRow(row: Row): ConnectSession {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    user: row.user_id,
    integration: row.integration_id,
    scopes: parsed<string[]>(row.scopes),
    resourceTypes: parsed<string[]>(row.resource_types),
    returnTo: row.return_to,
    repairs: row.repairs,
    createdBy: row.created_by,
    status: row.status,
    error: row.error,
    connection: row.connection_id,
    linkHash: row.link_hash,
    browserHash: row.browser_hash,
    stateHash: row.state_hash,
    sealedVerifier: row.sealed_verifier,
    sealedNonce: row.sealed_nonce,
    destinationDigest: row.destination_digest,
    completionHash: row.completion_hash,
    completionFailures: row.completion_failures,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  })
}

function toRow(session: ConnectSession): Row {
  return {
    tenant_id: session.tenant,
    id: session.id,
    user_id: session.user,
    integration_id: session.integration,
    scopes: JSON.stringify(session.scopes),
    resource_types: JSON.stringify(session.resourceTypes),
    return_to: session.returnTo ?? null,
    repairs: session.repairs ?? null,
    created_by: session.createdBy,
    status: session.status,
    error: session.error ?? null,
    connection_id: session.connection ?? null,
    link_hash: session.linkHash,
    browser_hash: session.browserHash ?? null,
    state_hash: session.stateHash ?? null,
    sealed_verifier: session.sealedVerifier ?? null,
    sealed_nonce: session.sealedNonce ?? null,
    destination_digest: session.destinationDigest ?? null,
    completion_hash: session.completionHash ?? null,
    completion_failures: session.completionFailures,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
  }
}
