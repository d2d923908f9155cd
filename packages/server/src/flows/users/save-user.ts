import type { Caller } from '../../core/caller.ts'
import { invalid } from '../../core/failure.ts'
import { makeId, type UserId } from '../../core/ids.ts'
import type { User } from '../../core/user.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'

export interface SaveUser {
  readonly externalId: string
  readonly displayName?: string
  readonly email?: string
}

/** Adds a user, or brings a known one (by `external_id`) up to date. `created` tells which. */
export async function saveUser(
  parts: Pick<Parts, 'store' | 'now' | 'random'>,
  caller: Caller,
  input: SaveUser,
): Promise<{ readonly user: User; readonly created: boolean }> {
  // An id of ours as external_id would make "which user is meant" ambiguous, and a client's id could pose as a user's.
  if (/^[a-z]{3}_[0-9a-z]{26}$/.test(input.externalId))
    throw invalid(
      '/external_id',
      'An external_id may not have the form of an id of Valetkey. Give your own id for this person.',
    )
  return parts.store.change(caller.tenant, async rows => {
    const now = parts.now()
    const known = await rows.users.byExternalId(input.externalId)
    if (known !== undefined) {
      const user: User = { ...known, ...input, updatedAt: now }
      if (user.displayName === known.displayName && user.email === known.email) return { user: known, created: false }
      await rows.users.update(user)
      await rows.audit.append([eventOf(parts, caller, { type: 'user.updated', outcome: 'ok', user: user.id })])
      return { user, created: false }
    }
    const user: User = {
      id: makeId('usr', now, parts.random(10)),
      tenant: caller.tenant,
      ...input,
      createdAt: now,
      updatedAt: now,
    }
    await rows.users.insert(user)
    await rows.audit.append([eventOf(parts, caller, { type: 'user.created', outcome: 'ok', user: user.id })])
    return { user, created: true }
  })
}

/** A user as a body names one. An unknown one is 400 at its pointer (CONTRACT 3). */
export async function findUser(
  parts: Pick<Parts, 'store'>,
  caller: Caller,
  reference: { readonly external_id?: string; readonly id?: string },
  pointer = '/user',
): Promise<User> {
  const user = await parts.store.asTenant(caller.tenant, rows =>
    reference.id !== undefined
      ? rows.users.get(reference.id as UserId)
      : rows.users.byExternalId(reference.external_id ?? ''),
  )
  // To an agent another person is as unknown as nobody, in the same words (row 83).
  if (caller.kind === 'agent' && (user === undefined || user.id !== caller.user))
    throw invalid(pointer, 'No user by that reference is in reach of this token: use the user of its task.')
  if (user === undefined)
    throw invalid(
      pointer,
      'No user by that reference. Create the user first (POST /v1/users), then use its external_id or id.',
    )
  return user
}
