import { Failure } from '../../core/failure.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Sealed } from '../../core/secret.ts'
import { createSigner, type Signer } from '../../engines/signer/signer.ts'
import { generateSigningKey } from '../../engines/signer/signing-key.ts'
import type { SigningKeyRow } from '../../engines/store/store.ts'
import type { Parts } from '../../parts.ts'

/** The signers of the tenants' issuers. Keys are made at first need and are sealed at rest. */
export interface Signers {
  of(tenant: TenantId): Promise<Signer>
  /** As `of`, but reads the keys again when that key is not known here: another node may have made it. */
  knowing(tenant: TenantId, kid: string): Promise<Signer>
}

interface Open {
  readonly signer: Signer
  readonly kids: ReadonlySet<string>
  readonly since: number
}

// As long as the vault holds a tenant's key, so that taking the root key away has an end in sight here too.
const heldForMs = 15 * 60_000
// A stranger who sends made-up kids must not make us read the database for each (row 69).
const coolDownMs = 1_000
/** Beyond it the tenant that was opened first is read again when it comes back. */
export const mostTenants = 1_000

export function openSigners(parts: Pick<Parts, 'store' | 'vault' | 'now'>): Signers {
  const open = new Map<TenantId, Promise<Open>>()

  function load(tenant: TenantId): Promise<Open> {
    const loading = loadKeys(parts, tenant).catch(cause => {
      open.delete(tenant)
      if (cause instanceof Failure) throw cause
      throw new Failure(
        'unavailable',
        'The signing keys cannot be read. Try again; the operator finds the cause in the log.',
        {
          cause,
          retryAfterSeconds: 2,
        },
      )
    })
    open.delete(tenant)
    if (open.size >= mostTenants) open.delete(open.keys().next().value!)
    open.set(tenant, loading)
    return loading
  }

  async function held(tenant: TenantId): Promise<Open> {
    const known = await open.get(tenant)
    const age = known === undefined ? 0 : parts.now() - known.since
    return known === undefined || age >= heldForMs || age < 0 ? load(tenant) : known
  }

  return {
    of: async tenant => (await held(tenant)).signer,
    async knowing(tenant, kid) {
      const known = await held(tenant)
      if (known.kids.has(kid) || parts.now() - known.since < coolDownMs) return known.signer
      return (await load(tenant)).signer
    },
  }
}

async function loadKeys(parts: Pick<Parts, 'store' | 'vault' | 'now'>, tenant: TenantId): Promise<Open> {
  const since = parts.now()
  let rows = await parts.store.asTenant(tenant, found => found.keys.signingKeys())
  if (rows.length === 0) rows = await makeFirstKey(parts, tenant, since)
  // Of two keys that two nodes made at once both verify, and both nodes agree on the one that signs.
  const newestFirst = rows.toSorted((a, b) => b.createdAt - a.createdAt || (a.kid < b.kid ? 1 : -1))
  const keys = []
  for (const row of newestFirst) {
    keys.push({ kid: row.kid, privateJwk: await parts.vault.open(sealContext(tenant), row.sealedPrivateJwk as Sealed) })
  }
  return { signer: await createSigner({ keys }), kids: new Set(keys.map(key => key.kid)), since }
}

async function makeFirstKey(
  parts: Pick<Parts, 'store' | 'vault'>,
  tenant: TenantId,
  createdAt: number,
): Promise<readonly SigningKeyRow[]> {
  const key = await generateSigningKey()
  const row: SigningKeyRow = {
    kid: key.kid,
    publicJwk: JSON.stringify(key.publicJwk),
    sealedPrivateJwk: await parts.vault.seal(sealContext(tenant), key.privateJwk),
    createdAt,
  }
  return parts.store.change(tenant, async rows => {
    const others = await rows.keys.signingKeys()
    if (others.length > 0) return others
    await rows.keys.insertSigningKey(row)
    return [row]
  })
}

function sealContext(tenant: TenantId) {
  return { tenant, field: 'signing_key' }
}
