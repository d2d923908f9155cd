import type { TenantId } from '../../core/ids.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import { type User, userTuple } from '../../core/user.ts'
import type { Parts } from '../../parts.ts'

/** Puts the keyed MAC on a user: it binds our id to the tenant's own. The vault is asked outside of transactions only. */
export async function sealUser(parts: Pick<Parts, 'vault'>, user: Omit<User, 'mac'>): Promise<User> {
  return { ...user, mac: await parts.vault.mac(user.tenant, 'user', lengthPrefixed(userTuple(user))) }
}

/**
 * The user by the tenant's own id for that person, if the row is what we wrote. Were it believed without, a writer to the
 * database could exchange two external ids, and the app would be given the one person's accounts for the other (P6).
 */
export async function userByExternalId(
  parts: Pick<Parts, 'store' | 'vault' | 'log'>,
  tenant: TenantId,
  externalId: string,
): Promise<User | undefined> {
  const user = await parts.store.asTenant(tenant, rows => rows.users.byExternalId(externalId))
  if (user === undefined) return undefined
  if (await parts.vault.verifyMac(tenant, 'user', lengthPrefixed(userTuple(user)), user.mac ?? '')) return user
  parts.log.error('The row of a user was altered outside Valetkey; nobody is found by its external_id', {
    tenant,
    user: user.id,
  })
  return undefined
}
