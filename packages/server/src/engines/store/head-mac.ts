import type { TenantId } from '../../core/ids.ts'

/**
 * Keyed MAC over the head of each stream, given by the wiring (the vault makes it): someone who can write to the database
 * but has no key cannot cut the tail of the log and set the head back to fit.
 */
export interface HeadMac {
  sign(tenant: TenantId, data: Uint8Array): Promise<string>
  isGood(tenant: TenantId, data: Uint8Array, mac: string): Promise<boolean>
}
