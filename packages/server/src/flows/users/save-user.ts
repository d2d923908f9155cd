import type { Caller } from '../../core/caller.ts'
import { Failure, invalid } from '../../core/failure.ts'
import { makeId, type UserId } from '../../core/ids.ts'
import type { User } from '../../core/user.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { sealUser, userByExternalId } from './user-seal.ts'

export interface SaveUser {
  readonly externalId: string
  readonly displayName?: string
  readonly email?: string
}

/** Adds a user, or brings a known one (by `external_id`) up to date. `created` tells which. */
export async function saveUser(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random' | 'log'>,
  caller: Caller,
  input: SaveUser,
): Promise<{ readonly user: User; readonly created: boolean }> {
  // An id of ours as external_id would make "which user is meant" ambiguous, and a client's id could pose as a user's.
  if (/^[a-z]{3}_[0-9a-z]{26}$/.test(input.externalId))
    throw invalid(
      '/external_id',
      'An external_id may not have the form of an id of Valetkey. Give your own id for this person.',
    )
  const now = parts.now()
  const { externalId } = input
  // The vault is asked outside of the transaction; for one that was added meanwhile the next try is right.
  for (let tries = 0; tries < 3; tries++) {
    const before = await userByExternalId(parts, caller.tenant, externalId)
    const id = makeId('usr', now, parts.random(10))
    const fresh = await sealUser(parts, { id, tenant: caller.tenant, ...input, createdAt: now, updatedAt: now })
    const saved = await save(parts, caller, input, before, fresh)
    if (saved !== undefined) return saved
  }
  throw new Failure('conflict', 'The row of this user was altered outside Valetkey. The operator has to restore it.')
}

/** Undefined: the row is not the one that was looked at before. */
async function save(
  parts: Pick<Parts, 'store' | 'now' | 'random'>,
  caller: Caller,
  input: SaveUser,
  before: User | undefined,
  fresh: User,
): Promise<{ readonly user: User; readonly created: boolean } | undefined> {
  const now = parts.now()
  return parts.store.change(caller.tenant, async rows => {
    const known = await rows.users.byExternalId(input.externalId)
    if (known?.id !== before?.id || known?.mac !== before?.mac) return undefined
    if (known !== undefined) {
      const user: User = { ...known, ...input, updatedAt: now }
      if (user.displayName === known.displayName && user.email === known.email) return { user: known, created: false }
      await rows.users.update(user)
      await rows.audit.append([eventOf(parts, caller, { type: 'user.updated', outcome: 'ok', user: user.id })])
      return { user, created: false }
    }
    await rows.users.insert(fresh)
    await rows.audit.append([eventOf(parts, caller, { type: 'user.created', outcome: 'ok', user: fresh.id })])
    return { user: fresh, created: true }
  })
}

/** A user as a body names one. An unknown one is 400 at its pointer (CONTRACT 3). */
export async function findUser(
  parts: Pick<Parts, 'store' | 'vault' | 'log'>,
  caller: Caller,
  reference: { readonly external_id?: string; readonly id?: string },
  pointer = '/user',
): Promise<User> {
  const { id, external_id: externalId = '' } = reference
  const user =
    id !== undefined
      ? await parts.store.asTenant(caller.tenant, rows => rows.users.get(id as UserId))
      : await userByExternalId(parts, caller.tenant, externalId)
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
