import type { Selectable } from 'kysely'
import type { TaskId } from '../../../core/ids.ts'
import type { Task } from '../../../core/task.ts'
import { afterId, pageOf } from '../cursor.ts'
import type { Schema } from '../schema.ts'
import { assertOwn, type Scope } from '../scope.ts'
import type { TenantRows } from '../store.ts'
import { present } from './present.ts'

/** Runs of agents for users. */
export function tasksOf(scope: Scope): TenantRows['tasks'] {
  const { db, tenant } = scope
  const all = () => db.selectFrom('tasks').selectAll().where('tenant_id', '=', tenant)
  return {
    async get(id) {
      const row = await all().where('id', '=', id).executeTakeFirst()
      return row && fromRow(row)
    },
    async list({ limit, cursor, agent, user }) {
      let query = all()
      if (agent !== undefined) query = query.where('agent_id', '=', agent)
      if (user !== undefined) query = query.where('user_id', '=', user)
      if (cursor !== undefined) query = query.where('id', '>', afterId(cursor) as TaskId)
      const rows = await query
        .orderBy('id')
        .limit(limit + 1)
        .execute()
      return pageOf(rows, limit, fromRow, row => [row.id])
    },
    async insert(task) {
      assertOwn(scope, task)
      await db
        .insertInto('tasks')
        .values({
          tenant_id: task.tenant,
          id: task.id,
          agent_id: task.agent,
          user_id: task.user,
          purpose: task.purpose,
          created_by: task.createdBy,
          created_at: task.createdAt,
          expires_at: task.expiresAt,
          ended_at: task.endedAt ?? null,
          mac: task.mac,
        })
        .execute()
    },
    async end(id, at, mac) {
      await db
        .updateTable('tasks')
        .set({ ended_at: at, mac })
        .where('tenant_id', '=', tenant)
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .execute()
    },
  }
}

function fromRow(row: Selectable<Schema['tasks']>): Task {
  return present({
    id: row.id,
    tenant: row.tenant_id,
    agent: row.agent_id,
    user: row.user_id,
    purpose: row.purpose,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    mac: row.mac ?? '',
  })
}
