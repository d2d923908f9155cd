import type { UserId } from '../../../core/ids.ts'
import { userByExternalId } from '../../../flows/users/user-seal.ts'
import type { Call } from './route.ts'
import { text } from './route.ts'

/** The two ways in which a listing may be narrowed to one user (CONTRACT 3). */
export const userQuery = { user: text(), user_external_id: text() }

/** The user that a listing is narrowed to. `nobody`: the tenant knows no such person, so the listing is empty. */
export async function userFilterOf(call: Call): Promise<{ readonly user?: UserId } | 'nobody'> {
  const { user, user_external_id: externalId } = call.query
  if (externalId === undefined) return user === undefined ? {} : { user: user as UserId }
  const found = await userByExternalId(call.parts, call.tenant.id, externalId)
  return found === undefined || (user !== undefined && user !== found.id) ? 'nobody' : { user: found.id }
}
