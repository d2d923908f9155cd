import type { TenantId, UserId } from './ids.ts'

/** A resource owner, known by the tenant's own id for that person. */
export interface User {
  readonly id: UserId
  readonly tenant: TenantId
  readonly externalId: string
  readonly displayName?: string
  readonly email?: string
  readonly createdAt: number
  readonly updatedAt: number
}
