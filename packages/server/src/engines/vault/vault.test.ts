import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { TenantId } from '../../core/ids.ts'
import { type Sealed, Secret } from '../../core/secret.ts'
import { type RootKey, rootKeyFromBytes } from './root-key.ts'
import type { WrappedKey } from './tenant-keys.ts'
import { openVault, type SealContext, type Vault } from './vault.ts'
import { KeyFault, VaultFailure } from './vault-failure.ts'

const tenant = 'ten_00000000000000000000000001' as TenantId
const otherTenant = 'ten_00000000000000000000000002' as TenantId
const context: Required<SealContext> = {
  tenant,
  user: 'usr_00000000000000000000000001',
  integration: 'int_00000000000000000000000001',
  connection: 'con_00000000000000000000000001',
  destination: 'destination-digest',
  field: 'access_token',
  generation: 3,
}

/** The table of wrapped keys, the clock and how often the root key was asked. */
interface World {
  readonly rows: Map<TenantId, WrappedKey[]>
  now: number
  unwraps: number
}

function rootKeyOf(world: World, fill: number): RootKey {
  const key = rootKeyFromBytes(Buffer.alloc(32, fill))
  return {
    ...key,
    unwrap(wrapped, aad) {
      world.unwraps++
      return key.unwrap(wrapped, aad)
    },
  }
}

function vaultOf(world: World, rootKey: RootKey, random?: (size: number) => Buffer): Promise<Vault> {
  return openVault({
    rootKey,
    loadTenantKeys: async id => world.rows.get(id) ?? [],
    saveTenantKey: async (id, key) => {
      world.rows.set(id, [...(world.rows.get(id) ?? []), key])
    },
    now: () => world.now,
    ...(random && { random }),
  })
}

let world: World
let vault: Vault

beforeEach(async () => {
  world = { rows: new Map(), now: 1_700_000_000_000, unwraps: 0 }
  vault = await vaultOf(world, rootKeyOf(world, 1))
  await vault.createTenantKey(tenant)
  await vault.createTenantKey(otherTenant)
})

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('It opened'),
    (failure: unknown) => failure,
  )
}

describe('a sealed value (P1, row 25)', () => {
  test('opening undoes sealing', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constant(''), fc.constant('\0'))
    await fc.assert(
      fc.asyncProperty(text, async plain => {
        const sealed = await vault.seal(context, new Secret(plain))
        expect((await vault.open(context, sealed)).reveal()).toBe(plain)
      }),
    )
  })

  test('does not contain what it seals, and never looks the same twice', async () => {
    const secret = new Secret('xoxb-canary-canary')
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const sealed = await vault.seal(context, secret)
      for (const part of sealed.split('.').slice(2)) {
        expect(seen.has(part)).toBe(false)
        seen.add(part)
        expect(Buffer.from(part, 'base64url').includes('canary')).toBe(false)
      }
    }
  })

  test.each<[string, Partial<SealContext>]>([
    ['user', { user: 'usr_00000000000000000000000002' }],
    ['integration', { integration: 'int_00000000000000000000000002' }],
    ['connection (another row)', { connection: 'con_00000000000000000000000002' }],
    ['destination', { destination: 'another-digest' }],
    ['field', { field: 'refresh_token' }],
    ['generation', { generation: 4 }],
    ['tenant', { tenant: otherTenant }],
    ['empty user', { user: '' }],
  ])('moved to another %s it does not open, and no reason is given (P6, P7)', async (_, other) => {
    const sealed = await vault.seal(context, new Secret('token'))
    const failure = await refusal(vault.open({ ...context, ...other }, sealed))
    expect(failure).toBeInstanceOf(VaultFailure)
    expect(failure).toMatchObject({ code: 'internal', message: 'A sealed value does not open here.' })
    expect((failure as Error).cause).toBeUndefined()
  })

  test.each(['user', 'integration', 'connection', 'destination', 'generation'] as const)(
    'without the %s it was sealed for it does not open, and the other way round (P6)',
    async member => {
      const { [member]: _, ...without } = context
      const sealed = await vault.seal(context, new Secret('token'))
      await expect(vault.open(without, sealed)).rejects.toThrow(VaultFailure)
      const sealedWithout = await vault.seal(without, new Secret('token'))
      await expect(vault.open(context, sealedWithout)).rejects.toThrow(VaultFailure)
      if (member === 'generation') return
      await expect(vault.open({ ...without, [member]: '' }, sealedWithout)).rejects.toThrow(VaultFailure)
    },
  )

  test('two members cannot trade places, nor can text flow from one to the next', async () => {
    const sealed = await vault.seal({ tenant, user: 'ab', integration: 'c', field: 'f' }, new Secret('token'))
    for (const moved of [
      { tenant, user: 'a', integration: 'bc', field: 'f' },
      { tenant, user: 'c', integration: 'ab', field: 'f' },
      { tenant, integration: 'ab', connection: 'c', field: 'f' },
    ]) {
      await expect(vault.open(moved, sealed)).rejects.toThrow(VaultFailure)
    }
  })

  test('with any bit of any byte of any part flipped it does not open', async () => {
    const sealed = await vault.seal(context, new Secret('a token of some length'))
    const parts = sealed.split('.')
    const sizes = parts.slice(1).map(part => Buffer.from(part, 'base64url').length)
    expect(sizes).toEqual([12, 32, 12, 22 + 16])
    const place = fc.nat(3).chain(part => fc.tuple(fc.constant(part), fc.nat(sizes[part]! - 1), fc.nat(7)))
    await fc.assert(
      fc.asyncProperty(place, async ([part, byte, bit]) => {
        const bytes = Buffer.from(parts[part + 1]!, 'base64url')
        bytes[byte]! ^= 1 << bit
        const altered = parts.with(part + 1, bytes.toString('base64url')).join('.') as Sealed
        await expect(vault.open(context, altered)).rejects.toThrow(VaultFailure)
      }),
      { numRuns: 600 },
    )
  })

  test('with any character of its text changed, removed or added it does not open', async () => {
    const sealed = await vault.seal(context, new Secret('token'))
    const altered: string[] = [
      '',
      '.',
      '....',
      `${sealed}.`,
      `${sealed}=`,
      ` ${sealed}`,
      `${sealed}\n`,
      sealed.replace('vk1', 'vk2'),
    ]
    for (let i = 0; i < sealed.length; i++) {
      altered.push(sealed.slice(0, i) + sealed.slice(i + 1))
      for (const character of ['A', 'B', '.', '+', '=', ' ']) {
        altered.push(sealed.slice(0, i) + character + sealed.slice(i + 1))
        altered.push(sealed.slice(0, i) + character + sealed.slice(i))
      }
    }
    for (const text of new Set(altered)) {
      if (text === sealed) continue
      const failure = await refusal(vault.open(context, text as Sealed))
      expect(failure, text).toBeInstanceOf(VaultFailure)
    }
  })

  test('the parts of two sealed values cannot be combined', async () => {
    const a = (await vault.seal(context, new Secret('token a'))).split('.')
    const b = (await vault.seal(context, new Secret('token b'))).split('.')
    for (const part of [2, 3, 4]) {
      await expect(vault.open(context, a.with(part, b[part]!).join('.') as Sealed)).rejects.toThrow(VaultFailure)
    }
  })

  // Computed by another implementation, from the description of the format alone.
  test('the sealed format is pinned', async () => {
    let next = 0
    const counting = (size: number) => Buffer.from(Array.from({ length: size }, () => next++ % 256))
    const pinned: World = { rows: new Map(), now: 1_700_000_000_000, unwraps: 0 }
    const fixed = await vaultOf(pinned, rootKeyFromBytes(Buffer.alloc(32, 1), counting), counting)
    await fixed.createTenantKey(tenant)
    const sealed = await fixed.seal(context, new Secret('xoxb-pinned'))
    const mac = await fixed.mac(tenant, 'grant', 'data')
    expect({ rootKeyId: fixed.rootKeyId, key: pinned.rows.get(tenant), sealed, mac }).toEqual({
      rootKeyId: 'hYxTQ5Z9CRIaBtZY',
      key: [
        {
          id: 'AAECAwQFBgcICQoL',
          wrapped: 'hYxTQ5Z9CRIaBtZY.LC0uLzAxMjM0NTY3Dgga8l4PaVBuyxqDVyO-jqenofbskZTrR88DKeMEeL4YdQ3RN4giMeWmC5qaGFld',
          createdAt: 1_700_000_000_000,
        },
      ],
      sealed:
        'vk1.AAECAwQFBgcICQoL.ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVlc.WFlaW1xdXl9gYWJj.D3PuAxfNE39lpzsE9WJ0H1MDs9gq3YpgxuT_',
      mac: 'AAECAwQFBgcICQoL.hGRNh1mI1yzP2JeuLZEi6oUO8L-1stRtQRLmWOodwKQ',
    })
  })

  test('text without a UTF-8 form is refused rather than altered', async () => {
    await expect(vault.seal(context, new Secret('\ud800'))).rejects.toThrow(TypeError)
  })
})

describe('tenant keys', () => {
  test('are held for 15 minutes and unwrapped again after that', async () => {
    const sealed = await vault.seal(context, new Secret('token'))
    expect(world.unwraps).toBe(1)
    world.now += 15 * 60_000 - 1
    await vault.open(context, sealed)
    expect(world.unwraps).toBe(1)
    world.now += 1
    await vault.open(context, sealed)
    expect(world.unwraps).toBe(2)
  })

  test('of one tenant are dropped when another is served, and when the timer says so', async () => {
    const sealed = await vault.seal(context, new Secret('token'))
    world.now += 15 * 60_000
    vault.dropExpiredKeys()
    world.rows.delete(tenant)
    await expect(vault.open(context, sealed)).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('are not held longer because the clock was set back', async () => {
    await vault.seal(context, new Secret('token'))
    world.now -= 60_000
    await vault.seal(context, new Secret('token'))
    expect(world.unwraps).toBe(2)
  })

  test('are unwrapped once for all that wait', async () => {
    await Promise.all(Array.from({ length: 50 }, () => vault.seal(context, new Secret('token'))))
    expect(world.unwraps).toBe(1)
  })

  test('a failed load is tried again', async () => {
    const [row] = world.rows.get(tenant)!
    world.rows.delete(tenant)
    await expect(vault.mac(tenant, 'grant', 'x')).rejects.toMatchObject({ code: 'unavailable' })
    world.rows.set(tenant, [row!])
    await expect(vault.mac(tenant, 'grant', 'x')).resolves.toContain(row!.id)
  })

  test('creating a key again changes nothing', async () => {
    const before = world.rows.get(tenant)
    await vault.createTenantKey(tenant)
    expect(world.rows.get(tenant)).toEqual(before)
  })

  test('who loses the race to create the first key uses the key of who won', async () => {
    const third = 'ten_00000000000000000000000003' as TenantId
    const winner = await vaultOf(world, rootKeyOf(world, 1))
    const loser = await openVault({
      rootKey: rootKeyOf(world, 1),
      loadTenantKeys: async id => world.rows.get(id) ?? [],
      saveTenantKey: async id => {
        await winner.createTenantKey(id)
        throw new Error('unique constraint')
      },
      now: () => world.now,
    })
    await loser.createTenantKey(third)
    const sealed = await loser.seal({ tenant: third, field: 'f' }, new Secret('token'))
    expect((await winner.open({ tenant: third, field: 'f' }, sealed)).reveal()).toBe('token')
    expect(world.rows.get(third)).toHaveLength(1)
  })

  test('a save that fails for another reason is a failure', async () => {
    const failing = await openVault({
      rootKey: rootKeyOf(world, 1),
      loadTenantKeys: async () => [],
      saveTenantKey: async () => {
        throw new Error('disk full')
      },
      now: () => world.now,
    })
    await expect(failing.createTenantKey(tenant)).rejects.toThrow('disk full')
  })

  test('a younger key seals, the older one still opens and verifies, also on a node that has not seen the younger yet', async () => {
    const sealed = await vault.seal(context, new Secret('old'))
    const mac = await vault.mac(tenant, 'grant', 'data')
    const old = world.rows.get(tenant)!
    world.rows.set(tenant, [])
    world.now += 1000
    const rotating = await vaultOf(world, rootKeyOf(world, 1))
    await rotating.createTenantKey(tenant)
    world.rows.set(tenant, [...world.rows.get(tenant)!, ...old])
    const both = await vaultOf(world, rootKeyOf(world, 1))
    const newer = await both.seal(context, new Secret('new'))
    expect(newer.split('.')[1]).not.toBe(sealed.split('.')[1])
    expect((await both.open(context, sealed)).reveal()).toBe('old')
    expect(await both.verifyMac(tenant, 'grant', 'data', mac)).toBe(true)
    // `vault` read its keys before there was a second one.
    expect((await vault.open(context, newer)).reveal()).toBe('new')
  })

  test("another tenant's key put in place of a tenant's own does not unwrap (P6)", async () => {
    const fresh = await vaultOf(world, rootKeyOf(world, 1))
    world.rows.set(tenant, world.rows.get(otherTenant)!)
    await expect(fresh.seal(context, new Secret('token'))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(fresh.checkKeys(tenant)).rejects.toThrow(/does not unwrap/)
    await expect(fresh.checkKeys(otherTenant)).resolves.toBeUndefined()
  })

  test.each<[string, (row: WrappedKey) => WrappedKey]>([
    ['id', row => ({ ...row, id: Buffer.alloc(12).toString('base64url') })],
    ['age', row => ({ ...row, createdAt: row.createdAt + 1 })],
    ['text', row => ({ ...row, wrapped: `${row.wrapped.slice(0, -1)}${row.wrapped.endsWith('A') ? 'B' : 'A'}` })],
    ['length', row => ({ ...row, wrapped: row.wrapped.split('.')[0]! })],
    ['form', row => ({ ...row, wrapped: `${row.wrapped}.AAAA` })],
  ])('a wrapped key whose %s was altered does not unwrap', async (_, alter) => {
    const fresh = await vaultOf(world, rootKeyOf(world, 1))
    world.rows.set(tenant, world.rows.get(tenant)!.map(alter))
    await expect(fresh.checkKeys(tenant)).rejects.toThrow(KeyFault)
    await expect(fresh.seal(context, new Secret('token'))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('the wrong root key fails, and the operator is told which one is needed', async () => {
    const wrong = await vaultOf(world, rootKeyOf(world, 2))
    await expect(wrong.checkKeys(tenant)).rejects.toThrow(
      `were wrapped by root key ${vault.rootKeyId}, and this one is ${wrong.rootKeyId}. Point VALETKEY_ROOT_KEY to the right key.`,
    )
    const failure = await refusal(wrong.seal(context, new Secret('token')))
    expect(failure).toMatchObject({ code: 'unavailable', cause: expect.any(KeyFault) })
    expect((failure as Error).message).not.toContain(tenant)
  })

  test('no key, secret or wrapped text shows when a vault or root key is printed', async () => {
    await vault.seal(context, new Secret('canary'))
    const rootKey = rootKeyFromBytes(Buffer.alloc(32, 7))
    const shown = inspect([vault, rootKey], { depth: 9, showHidden: true }) + JSON.stringify([vault, rootKey])
    expect(shown).not.toMatch(/canary|07 07 07|7,7,7|BwcH/)
  })

  test('bytes given for a root key are zeros afterwards, and its id tells nothing of them', () => {
    const bytes = Buffer.alloc(32, 7)
    const { id } = rootKeyFromBytes(bytes)
    expect(bytes.equals(Buffer.alloc(32))).toBe(true)
    expect(id).toMatch(/^[\w-]{16}$/)
    expect(id).not.toBe(createHash('sha256').update(Buffer.alloc(32, 7)).digest('base64url').slice(0, 16))
    expect(rootKeyFromBytes(Buffer.alloc(32, 7)).id).toBe(id)
    expect(rootKeyFromBytes(Buffer.alloc(32, 8)).id).not.toBe(id)
  })
})

describe('a keyed MAC (P6)', () => {
  test('verifies for its tenant, purpose and data only', async () => {
    const mac = await vault.mac(tenant, 'grant', 'data')
    expect(await vault.verifyMac(tenant, 'grant', 'data', mac)).toBe(true)
    expect(await vault.verifyMac(tenant, 'grant', Buffer.from('data'), mac)).toBe(true)
    expect(await vault.verifyMac(tenant, 'grant', 'datb', mac)).toBe(false)
    expect(await vault.verifyMac(tenant, 'client', 'data', mac)).toBe(false)
    expect(await vault.verifyMac(otherTenant, 'grant', 'data', mac)).toBe(false)
  })

  test('with any character changed, removed or added it does not verify', async () => {
    const mac = await vault.mac(tenant, 'grant', 'data')
    const altered = ['', '.', `${mac}.`, `${mac}=`, `.${mac}`, mac.split('.')[0]!, mac.split('.')[1]!]
    for (let i = 0; i < mac.length; i++) {
      altered.push(
        mac.slice(0, i) + mac.slice(i + 1),
        mac.slice(0, i) + (mac[i] === 'A' ? 'B' : 'A') + mac.slice(i + 1),
      )
    }
    for (const text of altered) expect(await vault.verifyMac(tenant, 'grant', 'data', text), text).toBe(false)
  })
})
