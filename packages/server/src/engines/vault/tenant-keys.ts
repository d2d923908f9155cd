import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { TenantId } from '../../core/ids.ts'
import { lengthPrefixed } from '../../core/length-prefixed.ts'
import type { RootKey } from './root-key.ts'
import { KeyFault, keysUnavailable } from './vault-failure.ts'

/** A tenant key as the store keeps it. `wrapped` is `{root key id}.{text of the root key}`. */
export interface WrappedKey {
  readonly id: string
  readonly wrapped: string
  /** Milliseconds; a number also where the database has bigint. The youngest key seals. */
  readonly createdAt: number
}

/** Unwrapped keys stay in memory no longer than this, so that taking the root key away has an end in sight. */
export const heldForMs = 15 * 60_000

export interface TenantKeysOptions {
  readonly rootKey: RootKey
  loadTenantKeys(tenant: TenantId): Promise<readonly WrappedKey[]>
  /** May throw when another process was first; the keys are then read again. */
  saveTenantKey(tenant: TenantId, key: WrappedKey): Promise<void>
  /** Milliseconds. */
  now(): number
  random(size: number): Buffer
}

/** One tenant key, usable only through what is derived from it. */
export interface TenantKey {
  readonly id: string
  /** The key of one sealed record. HKDF-SHA256 (RFC 5869), a random salt for each record. */
  recordKey(salt: Uint8Array): KeyObject
  /** HMAC-SHA256 under a key derived for the purpose, which is a constant of the code: derived keys are kept. */
  mac(purpose: string, data: string | Uint8Array): Buffer
}

export interface TenantKeys {
  /** The key that seals now. Throws `unavailable` when there is none or the root key is not theirs. */
  current(tenant: TenantId): Promise<TenantKey>
  /** The key of that id, or undefined. */
  byId(tenant: TenantId, id: string): Promise<TenantKey | undefined>
  /** Makes the first key of a tenant; nothing when it has one. */
  create(tenant: TenantId): Promise<void>
  /** Unwraps afresh; throws a `KeyFault` that says what to do. For start-up and `doctor`. */
  check(tenant: TenantId): Promise<void>
  /** Drops what was held for 15 minutes. Every use does; a timer of the caller's covers idleness. */
  dropExpired(): void
}

interface Held {
  readonly keys: ReadonlyMap<string, TenantKey>
  readonly current: TenantKey
  readonly since: number
}

export function openTenantKeys(options: TenantKeysOptions): TenantKeys {
  const held = new Map<TenantId, Held>()
  const loading = new Map<TenantId, Promise<Held>>()

  function dropExpired(): void {
    const now = options.now()
    for (const [tenant, entry] of held) {
      // A clock that was set back must not lengthen the life of a key.
      if (now - entry.since >= heldForMs || now < entry.since) held.delete(tenant)
    }
  }

  async function load(tenant: TenantId): Promise<Held> {
    const since = options.now()
    const rows = await options.loadTenantKeys(tenant)
    const youngest = rows.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))[0]
    if (youngest === undefined) {
      throw new KeyFault(
        `Tenant ${tenant} has no key. It was not made by \`valetkey init\` or \`valetkey tenants create\`, or its keys are lost.`,
      )
    }
    const keys = new Map<string, TenantKey>()
    for (const row of rows) keys.set(row.id, await unwrapKey(options.rootKey, tenant, row))
    return { keys, current: keys.get(youngest.id)!, since }
  }

  /** One load for all that wait, so that a cold start does not ask the key service once per call. */
  function loadOnce(tenant: TenantId): Promise<Held> {
    const running = loading.get(tenant)
    if (running) return running
    const started = load(tenant)
      .then(entry => {
        held.set(tenant, entry)
        return entry
      })
      .finally(() => loading.delete(tenant))
    loading.set(tenant, started)
    return started
  }

  async function keysOf(tenant: TenantId): Promise<Held> {
    dropExpired()
    const entry = held.get(tenant)
    if (entry) return entry
    try {
      return await loadOnce(tenant)
    } catch (cause) {
      throw keysUnavailable(cause)
    }
  }

  return {
    dropExpired,
    async current(tenant) {
      return (await keysOf(tenant)).current
    },
    async byId(tenant, id) {
      const known = (await keysOf(tenant)).keys.get(id)
      if (known) return known
      // Another node may have made a key since ours were read.
      held.delete(tenant)
      return (await keysOf(tenant)).keys.get(id)
    },
    async create(tenant) {
      if ((await options.loadTenantKeys(tenant)).length > 0) return
      const id = options.random(12).toString('base64url')
      const createdAt = options.now()
      const bytes = options.random(32)
      const text = await options.rootKey.wrap(bytes, wrapBinding(tenant, id, createdAt)).finally(() => bytes.fill(0))
      try {
        await options.saveTenantKey(tenant, { id, wrapped: `${options.rootKey.id}.${text}`, createdAt })
      } catch (cause) {
        // Lost a race: the other's key is as good. Two keys would be, too: sealed values name theirs.
        if ((await options.loadTenantKeys(tenant)).length === 0) throw cause
      }
      held.delete(tenant)
    },
    async check(tenant) {
      await load(tenant)
    },
  }
}

async function unwrapKey(rootKey: RootKey, tenant: TenantId, row: WrappedKey): Promise<TenantKey> {
  if (!Number.isSafeInteger(row.createdAt)) throw new TypeError('createdAt of a tenant key is a number of milliseconds')
  const [rootKeyId, text, ...more] = row.wrapped.split('.')
  if (rootKeyId !== rootKey.id) {
    throw new KeyFault(
      `The keys of tenant ${tenant} were wrapped by root key ${rootKeyId}, and this one is ${rootKey.id}. ` +
        'Point VALETKEY_ROOT_KEY to the right key.',
    )
  }
  const bytes =
    text === undefined || more.length > 0
      ? undefined
      : await rootKey.unwrap(text, wrapBinding(tenant, row.id, row.createdAt))
  if (bytes === undefined || bytes.length !== 32) {
    bytes?.fill(0)
    throw new KeyFault(
      `Key ${row.id} of tenant ${tenant} does not unwrap: its row was altered, or is another tenant's. Restore the row from a backup.`,
    )
  }
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return tenantKey(row.id, key)
}

/** Binds a wrapped key to its tenant, id and age, so that no row can stand for another or be made the youngest. */
function wrapBinding(tenant: TenantId, id: string, createdAt: number): Buffer {
  return lengthPrefixed(['valetkey tenant key 1', tenant, id, createdAt])
}

function tenantKey(id: string, key: KeyObject): TenantKey {
  const macKeys = new Map<string, KeyObject>()
  function macKey(purpose: string): KeyObject {
    const known = macKeys.get(purpose)
    if (known) return known
    const made = derive(key, new Uint8Array(0), lengthPrefixed(['valetkey mac key 1', purpose]))
    macKeys.set(purpose, made)
    return made
  }
  return {
    id,
    recordKey: salt => derive(key, salt, recordKeyInfo),
    mac: (purpose, data) => createHmac('sha256', macKey(purpose)).update(data).digest(),
  }
}

const recordKeyInfo = lengthPrefixed(['valetkey record key 1'])

function derive(key: KeyObject, salt: Uint8Array, info: Uint8Array): KeyObject {
  const bytes = Buffer.from(hkdfSync('sha256', key, salt, info, 32))
  const derived = createSecretKey(bytes)
  bytes.fill(0)
  return derived
}
