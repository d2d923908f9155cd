import type { TenantId } from './ids.ts'

/** The organisation that all else belongs to. The first has no slug: its base URL is the server's own. */
export interface Tenant {
  readonly id: TenantId
  readonly slug?: string
  readonly name: string
  readonly createdAt: number
}

/** Base URL = issuer = first audience of a tenant (CONTRACT 2). No trailing slash. */
export function baseUrlOf(tenant: Pick<Tenant, 'slug'>, serverUrl: string): string {
  return tenant.slug === undefined ? serverUrl : `${serverUrl}/t/${tenant.slug}`
}
