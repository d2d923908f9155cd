import { notFound } from '../../../core/failure.ts'
import { isId } from '../../../core/ids.ts'
import type { User } from '../../../core/user.ts'
import { saveUser } from '../../../flows/users/save-user.ts'
import { userByExternalId } from '../../../flows/users/user-seal.ts'
import { pageAnswer, pageOf } from './page.ts'
import { created, object, ok, pageQuery, type Route, rfc3339, text } from './route.ts'

export function showUser(user: User): Record<string, unknown> {
  return {
    id: user.id,
    external_id: user.externalId,
    display_name: user.displayName ?? null,
    email: user.email ?? null,
    created_at: rfc3339(user.createdAt),
    updated_at: rfc3339(user.updatedAt),
  }
}

export const usersRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/users',
    summary: 'Add a user, or bring a known one up to date by external_id.',
    scopes: ['users:write'],
    clients: ['app', 'operator'],
    body: object(
      {
        external_id: text(),
        display_name: text(),
        email: { type: 'string', minLength: 3, maxLength: 254, pattern: '^[^@\\s]+@[^@\\s]+$' },
      },
      ['external_id'],
    ),
    idempotent: { secrets: [] },
    async handle(call) {
      const body = call.body as { external_id: string; display_name?: string; email?: string }
      const { user, created: isNew } = await saveUser(call.parts, call.caller, {
        externalId: body.external_id,
        ...(body.display_name !== undefined && { displayName: body.display_name }),
        ...(body.email !== undefined && { email: body.email }),
      })
      return isNew ? created(`${call.baseUrl}/v1/users/${user.id}`, showUser(user)) : ok(showUser(user))
    },
  },
  {
    method: 'GET',
    path: '/v1/users',
    summary: 'List users, or find one by external_id.',
    scopes: ['users:read'],
    clients: ['app', 'operator'],
    query: { ...pageQuery, external_id: text() },
    async handle(call) {
      const externalId = call.query.external_id
      if (externalId !== undefined) {
        const user = await userByExternalId(call.parts, call.tenant.id, externalId)
        return ok({ data: user === undefined ? [] : [showUser(user)], next_cursor: null })
      }
      const page = pageOf(call)
      return pageAnswer(await call.parts.store.asTenant(call.tenant.id, rows => rows.users.list(page)), showUser)
    },
  },
  {
    method: 'GET',
    path: '/v1/users/{id}',
    summary: 'Read one user.',
    scopes: ['users:read'],
    clients: ['app', 'operator'],
    async handle(call) {
      const { id } = call.params
      const user = isId('usr', id)
        ? await call.parts.store.asTenant(call.tenant.id, rows => rows.users.get(id))
        : undefined
      if (user === undefined) throw notFound()
      return ok(showUser(user))
    },
  },
]
