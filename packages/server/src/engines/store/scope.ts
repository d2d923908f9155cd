import type { AuditEvent } from '@valetkey/contract/events'
import type { TenantId } from '../../core/ids.ts'
import type { HeadMac } from './head-mac.ts'
import type { Handle, Kind } from './schema.ts'

/** One tenant's view of one connection: what the repositories work on. */
export interface Scope {
  readonly kind: Kind
  readonly tenant: TenantId
  readonly db: Handle
  /** For queries that may read many rows: in SQLite they run in a thread of their own. */
  readonly scan: Handle
  readonly append: (events: readonly AuditEvent[]) => Promise<void>
  readonly headMac?: HeadMac
}

/** A row of another tenant handed to this one's scope is a fault in our code. */
export function assertOwn(scope: Scope, row: { readonly tenant: TenantId }): void {
  if (row.tenant !== scope.tenant) throw new TypeError('This row belongs to another tenant than the one of this scope')
}
