import { type Answer, type Exchange, empty, json, jsonObject } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { withBearer } from '../oauth/bearer.ts'
import type { ProviderState } from '../oauth/provider-state.ts'
import {
  accountOf,
  allProperties,
  type HubSpotAccount,
  type HubSpotRecord,
  objectTypes,
  recordShape,
} from './hubspot-account.ts'
import { hubSpotError } from './hubspot-error.ts'
import { type SearchBody, searchRecords, UnknownSearch } from './hubspot-search.ts'

/** What a HubSpot handler gets: the account of the token's user, and the parsed request. */
interface Call {
  readonly account: HubSpotAccount
  readonly exchange: Exchange
  readonly body: Record<string, unknown>
  readonly params: Readonly<Record<string, string>>
  readonly now: string
  /** The absolute links of answers begin with it. */
  readonly url: string
}

/** The main CRM calls of `@hubspot/api-client`, for each object type under its own scopes. */
export function hubSpotRoutes(state: ProviderState): readonly Route[] {
  const route = (
    method: string,
    pattern: string,
    scopes: readonly string[],
    handle: (call: Call) => Answer,
  ): Route => ({
    method,
    pattern,
    endpoint: 'api',
    handle: withBearer(state, scopes, (exchange, params, token) => {
      const hasBody = exchange.method !== 'GET' && exchange.body.length > 0
      const body = hasBody ? jsonObject(exchange) : {}
      if (body === undefined) return invalid('Invalid input JSON on line 1: the body is not a JSON object')
      const account = accountOf(state, token.family.userId ?? '')
      if (account === undefined) return hubSpotError(403, 'MISSING_SCOPES', 'The token has no account.')
      const now = new Date(state.clock.now()).toISOString()
      try {
        return handle({ account, exchange, body, params, now, url: state.url })
      } catch (error) {
        if (error instanceof UnknownSearch) return invalid(error.message)
        throw error
      }
    }),
  })
  const objects = Object.entries(objectTypes).flatMap(([type, { read, write }]) => {
    const at = `/crm/v3/objects/${type}`
    return [
      route('GET', at, [read], call => listRecords(call, type)),
      route('POST', at, [write], call => createRecord(call, type)),
      route('POST', `${at}/search`, [read], call => search(call, type)),
      route('POST', `${at}/batch/read`, [read], call => batchRead(call, type)),
      route('GET', `${at}/{id}`, [read], call =>
        withRecord(call, type, record => json(200, recordShape(type, record, askedProperties(call.exchange)))),
      ),
      route('PATCH', `${at}/{id}`, [write], call => withRecord(call, type, record => updateRecord(call, type, record))),
      route('DELETE', `${at}/{id}`, [write], call => archiveRecord(call, type)),
      route('POST', `${at}/batch/create`, [write], call => batchWrite(call, 201, one => createRecord(one, type))),
      route('POST', `${at}/batch/update`, [write], call =>
        batchWrite(call, 200, one => withRecord(one, type, record => updateRecord(one, type, record))),
      ),
      route('POST', `${at}/batch/archive`, [write], call => batchWrite(call, 204, one => archiveRecord(one, type))),
      route('GET', `/crm/v4/objects/${type}/{id}/associations/{to}`, [read], call =>
        withRecord(call, type, record => associations(call, record)),
      ),
    ]
  })
  return [
    ...objects,
    // The official client asks with the slash at the end.
    route('GET', '/crm/v3/owners/', ['crm.objects.owners.read'], listOwners),
    route('GET', '/crm/v3/owners', ['crm.objects.owners.read'], listOwners),
    route('GET', '/crm/v3/owners/{id}', ['crm.objects.owners.read'], call =>
      call.params.id === call.account.owner.id ? json(200, ownerShape(call)) : missing(),
    ),
    route('GET', '/account-info/v3/details', ['oauth'], call =>
      json(200, {
        portalId: call.account.hubId,
        accountType: 'STANDARD',
        timeZone: 'Europe/Dublin',
        companyCurrency: 'EUR',
        additionalCurrencies: [],
        utcOffset: '+00:00',
        utcOffsetMilliseconds: 0,
        uiDomain: 'app.hubspot.com',
        dataHostingLocation: 'eu1',
      }),
    ),
  ]
}

const missing = () => hubSpotError(404, 'OBJECT_NOT_FOUND', 'resource not found')
const invalid = (message: string) => hubSpotError(400, 'VALIDATION_ERROR', message)

/** `properties` comes as a comma list or repeated. */
function askedProperties({ query }: Exchange): string[] {
  return query.getAll('properties').flatMap(text => text.split(',').filter(name => name !== ''))
}

const alive = (call: Call, type: string, archived = false) =>
  [...call.account.records.get(type)!.values()].filter(record => record.isArchived === archived)

function withRecord(call: Call, type: string, handle: (record: HubSpotRecord) => Answer): Answer {
  const byId = call.account.records.get(type)!
  const idProperty = call.exchange.query.get('idProperty')
  const wanted = call.params.id!
  const record =
    idProperty === null
      ? byId.get(wanted)
      : [...byId.values()].find(candidate => allProperties(type, candidate)[idProperty] === wanted)
  return record === undefined || record.isArchived ? missing() : handle(record)
}

function listRecords(call: Call, type: string): Answer {
  const { query } = call.exchange
  const limit = Number(query.get('limit') ?? 10)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) return invalid('limit must be between 1 and 100')
  const records = alive(call, type, query.get('archived') === 'true')
  const after = query.get('after') ?? ''
  const start = after === '' ? 0 : records.findIndex(record => record.id === after)
  if (start < 0) return invalid(`after=${after} is not a cursor of this list`)
  const asked = askedProperties(call.exchange)
  const next = records[start + limit]?.id
  const link = `${call.url}/crm/v3/objects/${type}?limit=${limit}&after=${next}`
  return json(200, {
    results: records.slice(start, start + limit).map(record => recordShape(type, record, asked)),
    ...(next !== undefined && { paging: { next: { after: next, link } } }),
  })
}

function search(call: Call, type: string): Answer {
  const { body } = call
  const limit = Number(body.limit ?? 10)
  if (!Number.isInteger(limit) || limit < 0 || limit > 200) return invalid('limit must be between 0 and 200')
  // A search counts: its cursor is the number of records before the next page.
  const start = Number(body.after ?? 0)
  if (!Number.isInteger(start) || start < 0) return invalid('after must be the number of a record')
  const records = searchRecords(type, alive(call, type), body as SearchBody)
  const asked = Array.isArray(body.properties) ? body.properties.map(String) : []
  const next = start + limit
  return json(200, {
    total: records.length,
    results: records.slice(start, next).map(record => recordShape(type, record, asked)),
    ...(next < records.length && { paging: { next: { after: String(next) } } }),
  })
}

function batchRead(call: Call, type: string): Answer {
  const { body, account, now } = call
  if (!Array.isArray(body.inputs)) return invalid('inputs must be an array')
  const asked = Array.isArray(body.properties) ? body.properties.map(String) : []
  const results = (body.inputs as { id?: unknown }[]).flatMap(({ id }) => {
    const record = account.records.get(type)!.get(String(id))
    return record === undefined || record.isArchived ? [] : [recordShape(type, record, asked)]
  })
  return json(200, { status: 'COMPLETE', results, startedAt: now, completedAt: now })
}

/** Does one thing for each input of a batch; the first that is refused refuses the batch. */
function batchWrite(call: Call, status: number, write: (one: Call) => Answer): Answer {
  const { body, now } = call
  if (!Array.isArray(body.inputs)) return invalid('inputs must be an array')
  const results: unknown[] = []
  for (const input of body.inputs as Record<string, unknown>[]) {
    const answer = write({ ...call, body: input, params: { id: String(input.id) } })
    if (answer.status >= 400) return answer
    if (answer.body !== undefined) results.push(JSON.parse(String(answer.body)))
  }
  return status === 204 ? empty(204) : json(status, { status: 'COMPLETE', results, startedAt: now, completedAt: now })
}

function listOwners(call: Call): Answer {
  const email = call.exchange.query.get('email')
  const owners = email === null || email === call.account.owner.email ? [ownerShape(call)] : []
  return json(200, { results: owners })
}

function archiveRecord(call: Call, type: string): Answer {
  const record = call.account.records.get(type)!.get(call.params.id!)
  if (record !== undefined) record.isArchived = true
  return empty(204)
}

function createRecord(call: Call, type: string): Answer {
  const properties = textProperties(call.body.properties)
  if (properties === undefined) return invalid('properties must be an object of texts')
  const byId = call.account.records.get(type)!
  const same = [...byId.values()].find(
    other => type === 'contacts' && properties.email !== undefined && other.properties.email === properties.email,
  )
  if (same !== undefined && !same.isArchived) {
    return hubSpotError(409, 'CONFLICT', `Contact already exists. Existing ID: ${same.id}`)
  }
  const record: HubSpotRecord = {
    id: call.account.nextId(),
    properties,
    createdAt: call.now,
    updatedAt: call.now,
    isArchived: false,
    associated: [],
  }
  byId.set(record.id, record)
  return json(201, recordShape(type, record, Object.keys(properties)))
}

function updateRecord(call: Call, type: string, record: HubSpotRecord): Answer {
  const properties = textProperties(call.body.properties)
  if (properties === undefined) return invalid('properties must be an object of texts')
  Object.assign(record.properties, properties)
  record.updatedAt = call.now
  return json(200, recordShape(type, record, Object.keys(properties)))
}

function textProperties(given: unknown): Record<string, string> | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined
  const properties: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === 'object' && value !== null) return undefined
    properties[name] = value === null ? '' : String(value)
  }
  return properties
}

function associations(call: Call, record: HubSpotRecord): Answer {
  const to = `${call.params.to}/`
  const results = record.associated
    .filter(name => name.startsWith(to))
    .map(name => ({
      toObjectId: Number(name.slice(to.length)),
      associationTypes: [{ category: 'HUBSPOT_DEFINED', typeId: 1, label: null }],
    }))
  return json(200, { results })
}

function ownerShape({ account, now }: Call): Record<string, unknown> {
  return { ...account.owner, userId: account.userId, type: 'PERSON', createdAt: now, updatedAt: now, archived: false }
}
