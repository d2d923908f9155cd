import type { ProviderState } from '../oauth/provider-state.ts'
import { defaultHubSpotSeed } from './hubspot-seed.ts'

/** A record as it is kept; shapes are made of it per request. */
export interface HubSpotRecord {
  readonly id: string
  readonly properties: Record<string, string>
  readonly createdAt: string
  updatedAt: string
  isArchived: boolean
  readonly associated: string[]
}

/** One user's HubSpot account. Accounts of two people share nothing. */
export interface HubSpotAccount {
  readonly hubId: number
  readonly userId: number
  readonly owner: { readonly id: string; readonly email: string; readonly firstName: string; readonly lastName: string }
  /** By object type, then by id. */
  readonly records: Map<string, Map<string, HubSpotRecord>>
  nextId(): string
}

/** The object types served, with the properties shown by default and the scopes that read and write them. */
export const objectTypes: Readonly<
  Record<string, { readonly shown: readonly string[]; readonly read: string; readonly write: string }>
> = {
  contacts: crm('contacts', ['email', 'firstname', 'lastname']),
  companies: crm('companies', ['domain', 'name']),
  deals: crm('deals', ['amount', 'closedate', 'dealname', 'dealstage', 'pipeline']),
  tickets: { shown: ['content', 'hs_pipeline', 'hs_pipeline_stage', 'subject'], read: 'tickets', write: 'tickets' },
  tasks: crm('contacts', []),
  notes: crm('contacts', []),
  meetings: crm('contacts', []),
  calls: crm('contacts', []),
  emails: { shown: [], read: 'sales-email-read', write: 'sales-email-read' },
}

function crm(scope: string, shown: readonly string[]) {
  return { shown, read: `crm.objects.${scope}.read`, write: `crm.objects.${scope}.write` }
}

const accounts = new WeakMap<ProviderState, Map<string, HubSpotAccount>>()

/** The account of a user; made of the seed at first use. */
export function accountOf(state: ProviderState, userId: string): HubSpotAccount | undefined {
  const known = accounts.get(state) ?? new Map<string, HubSpotAccount>()
  accounts.set(state, known)
  const user = state.users.get(userId)
  if (user === undefined) return undefined
  const found = known.get(userId)
  if (found !== undefined) return found
  const now = state.baseNow()
  const seed = state.seed.hubspot?.[userId] ?? defaultHubSpotSeed(user, now)
  // Seeds without a hub id get one each, so that two accounts are never taken for one.
  const hubId = seed.hubId ?? defaultHubSpotSeed(user, now).hubId!
  const [firstName = '', ...rest] = user.name.split(' ')
  let last = hubId + 500
  const account: HubSpotAccount = {
    hubId,
    userId: hubId + 1,
    owner: { id: String(hubId + 2), email: user.email, firstName, lastName: rest.join(' ') },
    records: new Map(),
    nextId() {
      last += 1
      return String(last)
    },
  }
  for (const type of Object.keys(objectTypes)) account.records.set(type, new Map())
  for (const [type, records] of Object.entries(seed.records ?? {})) {
    const byId = account.records.get(type)
    if (byId === undefined) throw new TypeError(`seed.hubspot: no object type is called "${type}"`)
    for (const record of records) {
      const at = record.updatedAt ?? new Date(now).toISOString()
      byId.set(record.id, {
        id: record.id,
        properties: { ...record.properties },
        createdAt: at,
        updatedAt: at,
        isArchived: false,
        associated: [...(record.associated ?? [])],
      })
    }
  }
  known.set(userId, account)
  return account
}

/** All properties of a record, with those that HubSpot keeps by itself. */
export function allProperties(type: string, record: HubSpotRecord): Record<string, string> {
  const own = ['tasks', 'notes', 'meetings', 'calls', 'emails'].includes(type)
  return {
    ...record.properties,
    [own ? 'hs_createdate' : 'createdate']: record.createdAt,
    [type === 'contacts' ? 'lastmodifieddate' : 'hs_lastmodifieddate']: record.updatedAt,
    hs_object_id: record.id,
  }
}

/** A record with the properties asked for; a property it does not have is null. */
export function recordShape(type: string, record: HubSpotRecord, asked: readonly string[]): Record<string, unknown> {
  const all = allProperties(type, record)
  const kept = ['createdate', 'hs_createdate', 'hs_lastmodifieddate', 'lastmodifieddate', 'hs_object_id']
  const names = new Set([...kept.filter(name => name in all), ...(asked.length > 0 ? asked : objectTypes[type]!.shown)])
  return {
    id: record.id,
    properties: Object.fromEntries([...names].map(name => [name, all[name] ?? null])),
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    archived: record.isArchived,
  }
}
