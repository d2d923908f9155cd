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
  /** Keyed MAC over `userTuple`. */
  readonly mac?: string
}

/** The members that the MAC covers, in a fixed order: who is meant, and not what people are called. */
export function userTuple({ tenant, id, externalId }: Pick<User, 'tenant' | 'id' | 'externalId'>): string[] {
  return ['user/1', tenant, id, externalId]
}
