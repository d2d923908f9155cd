import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { TenantId } from '../../core/ids.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import { type Sealed, Secret } from '../../core/secret.ts'
import { decrypt, encrypt, fromBase64url } from './envelope.ts'
import { openTenantKeys, type TenantKeysOptions } from './tenant-keys.ts'
import { doesNotOpen } from './vault-failure.ts'

/**
 * What a sealed value belongs to. Each member is told by the caller who decided that it may be opened, never copied from
 * the row that holds the sealed text: that row is what an attacker would have moved. Absent differs from ''.
 */
export interface SealContext {
  readonly tenant: TenantId
  readonly user?: string
  readonly integration?: string
  readonly connection?: string
  /** Digest of the destinations the value may be sent to. */
  readonly destination?: string
  readonly field: string
  readonly generation?: number
}

/** Seals and opens what must not be readable at rest, and makes keyed MACs for rows that decide (P1, P6). */
export interface Vault {
  readonly rootKeyId: string
  seal(context: SealContext, secret: Secret): Promise<Sealed>
  /** Throws a `VaultFailure` when text or context differs from the sealing; never says which. */
  open(context: SealContext, sealed: Sealed): Promise<Secret>
  /** Keyed MAC for a purpose, `{key id}.{base64url}`. Of several fields, mac their `lengthPrefixed` form. */
  mac(tenant: TenantId, purpose: string, data: string | Uint8Array): Promise<string>
  /** Compares in constant time; false also for text that is no MAC. */
  verifyMac(tenant: TenantId, purpose: string, data: string | Uint8Array, mac: string): Promise<boolean>
  /** Makes a tenant's first key; a tenant that has one keeps it. */
  createTenantKey(tenant: TenantId): Promise<void>
  /** Proves that the root key opens the tenant's keys, else throws a `KeyFault` with the next step. */
  checkKeys(tenant: TenantId): Promise<void>
  /** Drops keys held for 15 minutes: for a timer, since an idle server has no other occasion. */
  dropExpiredKeys(): void
}

export type VaultOptions = Omit<TenantKeysOptions, 'random'> & { readonly random?: (size: number) => Buffer }

/** Version of the sealed text `vk1.{key id}.{salt}.{iv}.{ciphertext and tag}`; the parts are base64url. */
const version = 'vk1'

export async function openVault(options: VaultOptions): Promise<Vault> {
  const random = options.random ?? randomBytes
  const keys = openTenantKeys({ ...options, random })
  return {
    rootKeyId: options.rootKey.id,
    async seal(context, secret) {
      const key = await keys.current(context.tenant)
      const salt = random(32)
      const iv = random(12)
      const plain = plainBytes(secret)
      try {
        const sealed = encrypt(key.recordKey(salt), iv, binding(context, key.id), plain)
        return [version, key.id, ...[salt, iv, sealed].map(part => part.toString('base64url'))].join('.') as Sealed
      } finally {
        plain.fill(0)
      }
    },
    async open(context, sealed) {
      const parts = parse(sealed)
      const key = parts && (await keys.byId(context.tenant, parts.keyId))
      const plain = key && decrypt(key.recordKey(parts.salt), parts.iv, binding(context, key.id), parts.sealed)
      if (plain === undefined) throw doesNotOpen()
      const secret = new Secret(plain.toString('utf8'))
      plain.fill(0)
      return secret
    },
    async mac(tenant, purpose, data) {
      const key = await keys.current(tenant)
      return `${key.id}.${key.mac(purpose, macBytes(data)).toString('base64url')}`
    },
    async verifyMac(tenant, purpose, data, mac) {
      const [keyId, text, ...more] = mac.split('.')
      const given = fromBase64url(text, 32)
      if (!isKeyId(keyId) || given === undefined || more.length > 0) return false
      const key = await keys.byId(tenant, keyId)
      return key !== undefined && timingSafeEqual(key.mac(purpose, macBytes(data)), given)
    },
    createTenantKey: tenant => keys.create(tenant),
    checkKeys: tenant => keys.check(tenant),
    dropExpiredKeys: () => keys.dropExpired(),
  }
}

/** The associated data: a value opens for the very same owner, record, destinations and generation, or not at all. */
function binding(context: SealContext, keyId: string): Buffer {
  return lengthPrefixed([
    version,
    context.tenant,
    context.user,
    context.integration,
    context.connection,
    context.destination,
    context.field,
    context.generation,
    keyId,
  ])
}

function parse(text: string) {
  const parts = text.split('.')
  const [given, keyId] = parts
  const salt = fromBase64url(parts[2], 32)
  const iv = fromBase64url(parts[3], 12)
  const sealed = fromBase64url(parts[4])
  if (parts.length !== 5 || given !== version || !isKeyId(keyId) || !salt || !iv || !sealed) return undefined
  return { keyId, salt, iv, sealed }
}

function isKeyId(text: string | undefined): text is string {
  return fromBase64url(text, 12) !== undefined
}

function plainBytes(secret: Secret): Buffer {
  const text = secret.reveal()
  // A lone surrogate would come back as another character. No token has one; RFC 6749 appendix A allows ASCII only.
  if (!text.isWellFormed()) throw new TypeError('A secret to seal is well-formed text')
  return Buffer.from(text, 'utf8')
}

function macBytes(data: string | Uint8Array): Uint8Array {
  if (typeof data !== 'string') return data
  if (!data.isWellFormed()) throw new TypeError('Text to mac is well-formed')
  return Buffer.from(data, 'utf8')
}
