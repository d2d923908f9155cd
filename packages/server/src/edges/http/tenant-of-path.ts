import type { TenantId } from '../../core/ids.ts'
import type { Locator } from '../../engines/store/store.ts'

/** A request's URL split into the tenant's slug and the path under that tenant's base URL. */
export interface TenantPath {
  readonly slug?: string
  /** Path and query below the base URL; well-known documents in their appended form. */
  readonly url: string
}

const inserted = /^(\/\.well-known\/[a-z-]+)\/t\/([a-z0-9-]{1,63})(\/[^?]*)?(\?.*)?$/

/**
 * `/t/{slug}/…` names a tenant; everything else is the first tenant's. For well-known documents both the inserted
 * (RFC 8414 section 3.1, RFC 9728 section 3.1) and the appended form are understood.
 */
export function splitTenant(url: string): TenantPath {
  const insertedForm = inserted.exec(url)
  if (insertedForm !== null)
    return { slug: insertedForm[2]!, url: `${insertedForm[1]}${insertedForm[3] ?? ''}${insertedForm[4] ?? ''}` }
  if (!url.startsWith('/t/')) return { url }
  const rest = url.slice(3)
  const end = rest.search(/[/?]/)
  const slug = end === -1 ? rest : rest.slice(0, end)
  const below = end === -1 ? '/' : rest.slice(end)
  return { slug, url: below.startsWith('?') ? `/${below}` : below }
}

/** Tenants that are found without asking the store. */
export const mostTenants = 10_000

/** Finds tenants by slug. Found ones are remembered; an unknown slug is asked for again at every request. */
export function createTenantFinder(locator: Locator): (slug: string | undefined) => Promise<TenantId | undefined> {
  const known = new Map<string, TenantId>()
  return async slug => {
    // Before the memory is asked: an empty slug is not the first tenant.
    if (slug !== undefined && !/^[a-z0-9-]{1,63}$/.test(slug)) return undefined
    const key = slug ?? ''
    const found = known.get(key)
    if (found !== undefined) return found
    const id = slug === undefined ? await locator.firstTenant() : await locator.tenantBySlug(slug)
    if (id === undefined) return undefined
    if (known.size >= mostTenants) known.delete(known.keys().next().value!)
    known.set(key, id)
    return id
  }
}
