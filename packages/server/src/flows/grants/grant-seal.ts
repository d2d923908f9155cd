import { type Grant, grantTuple } from '../../core/grant.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import type { Parts } from '../../parts.ts'

/** Puts the keyed MAC on a grant, over everything that decides. */
export async function sealGrant(parts: Pick<Parts, 'vault'>, grant: Omit<Grant, 'mac'>): Promise<Grant> {
  return { ...grant, mac: await parts.vault.mac(grant.tenant, 'grant', lengthPrefixed(grantTuple(grant))) }
}

/** Whether the row is what we wrote: a grant that a writer to the database re-owned or widened does not count. */
export function isGrantGenuine(parts: Pick<Parts, 'vault'>, grant: Grant): Promise<boolean> {
  return parts.vault.verifyMac(grant.tenant, 'grant', lengthPrefixed(grantTuple(grant)), grant.mac)
}
