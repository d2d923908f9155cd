import { eventTypes } from '@valetkey/contract/events'
import { notFound } from '../../../core/failure.ts'
import { isId } from '../../../core/ids.ts'
import { pageAnswer, pageOf } from './page.ts'
import { timeIn } from './register-api.ts'
import { ok, pageQuery, type Route, text } from './route.ts'

export const auditRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/audit/events',
    summary: 'Who accessed what data, when, and through which agent. Newest first.',
    scopes: ['audit:read'],
    clients: ['operator'],
    query: {
      ...pageQuery,
      user: text(),
      agent: text(),
      app: text(),
      connection: text(),
      provider: text(),
      resource_type: text(),
      action: text(),
      type: { type: 'string', enum: eventTypes },
      outcome: { type: 'string', enum: ['allowed', 'denied', 'ok', 'error', 'unknown'] },
      resource: text(500),
      task: text(),
      request: text(),
      since: text(40),
      until: text(40),
    },
    async handle(call) {
      const { resource_type, since, until, limit: _limit, cursor: _cursor, ...same } = call.query
      const filter = {
        ...pageOf(call),
        ...same,
        ...(resource_type !== undefined && { resourceType: resource_type }),
        ...(since !== undefined && { since: timeIn(since, '/since') }),
        ...(until !== undefined && { until: timeIn(until, '/until') }),
      }
      return pageAnswer(await call.parts.store.asTenant(call.tenant.id, rows => rows.audit.query(filter)), event => ({
        ...event,
      }))
    },
  },
  {
    method: 'GET',
    path: '/v1/audit/events/{id}',
    summary: 'Read one audit event.',
    scopes: ['audit:read'],
    clients: ['operator'],
    async handle(call) {
      const { id } = call.params
      const event = isId('evt', id)
        ? await call.parts.store.asTenant(call.tenant.id, rows => rows.audit.get(id))
        : undefined
      if (event === undefined) throw notFound()
      return ok({ ...event })
    },
  },
  {
    method: 'GET',
    path: '/v1/audit/verify',
    summary: 'Walk the log and check every leaf, link and head; names the first row that does not hold.',
    scopes: ['audit:read'],
    clients: ['operator'],
    async handle(call) {
      return ok({ ...(await call.parts.store.asTenant(call.tenant.id, rows => rows.audit.verify())) })
    },
  },
]
