import { allProperties, type HubSpotRecord } from './hubspot-account.ts'

/** A filter or sort that this provider does not know. */
export class UnknownSearch extends Error {}

interface Filter {
  readonly propertyName?: string
  readonly operator?: string
  readonly value?: unknown
  readonly values?: readonly unknown[]
  readonly highValue?: unknown
}

/** The body of a CRM search. Groups are alternatives, the filters of a group all hold. */
export interface SearchBody {
  readonly query?: string
  readonly filterGroups?: readonly { readonly filters?: readonly Filter[] }[]
  readonly sorts?: readonly (string | { readonly propertyName?: string; readonly direction?: string })[]
}

/** The records that match, in the order asked for. */
export function searchRecords(type: string, records: readonly HubSpotRecord[], body: SearchBody): HubSpotRecord[] {
  const groups = (body.filterGroups ?? []).filter(group => (group.filters ?? []).length > 0)
  const query = (body.query ?? '').toLowerCase()
  const found = records.filter(record => {
    const properties = allProperties(type, record)
    const holdsQuery = query === '' || Object.values(properties).some(value => value.toLowerCase().includes(query))
    const inGroup = (filters: readonly Filter[]) => filters.every(filter => passes(properties, filter))
    return holdsQuery && (groups.length === 0 || groups.some(group => inGroup(group.filters ?? [])))
  })
  const [sort] = body.sorts ?? []
  if (sort === undefined) return found
  const name = typeof sort === 'string' ? sort.replace(/^-/, '') : (sort.propertyName ?? '')
  const isDescending = typeof sort === 'string' ? sort.startsWith('-') : sort.direction === 'DESCENDING'
  const keyOf = (record: HubSpotRecord) => allProperties(type, record)[name] ?? ''
  return found.sort((a, b) => compare(keyOf(a), keyOf(b)) * (isDescending ? -1 : 1))
}

function passes(properties: Readonly<Record<string, string>>, filter: Filter): boolean {
  const { propertyName, operator, value, values = [], highValue } = filter
  if (propertyName === undefined || operator === undefined) {
    throw new UnknownSearch('a filter needs propertyName and operator')
  }
  const actual = properties[propertyName]
  const text = String(value)
  if (operator === 'HAS_PROPERTY') return actual !== undefined
  if (operator === 'NOT_HAS_PROPERTY') return actual === undefined
  if (operator === 'NEQ') return actual !== text
  if (operator === 'NOT_IN') return !values.map(String).includes(actual ?? '')
  if (operator === 'NOT_CONTAINS_TOKEN') return actual === undefined || !holdsToken(actual, text)
  if (actual === undefined) return false
  switch (operator) {
    case 'EQ':
      return compare(actual, text) === 0
    case 'LT':
      return compare(actual, text) < 0
    case 'LTE':
      return compare(actual, text) <= 0
    case 'GT':
      return compare(actual, text) > 0
    case 'GTE':
      return compare(actual, text) >= 0
    case 'BETWEEN':
      return compare(actual, text) >= 0 && compare(actual, String(highValue)) <= 0
    case 'IN':
      return values.map(String).includes(actual)
    case 'CONTAINS_TOKEN':
      return holdsToken(actual, text)
    default:
      throw new UnknownSearch(`the operator "${operator}" is not offered`)
  }
}

function holdsToken(actual: string, token: string): boolean {
  const wanted = token.toLowerCase().replaceAll('*', '')
  const parts = actual.toLowerCase().split(/[^a-z0-9]+/)
  return token.includes('*') ? actual.toLowerCase().includes(wanted) : parts.includes(wanted) || actual === token
}

/** Numbers as numbers, dates (RFC 3339 or epoch milliseconds) as dates, all else as text. */
function compare(left: string, right: string): number {
  const [a, b] = [magnitude(left), magnitude(right)]
  if (a !== undefined && b !== undefined) return a - b
  return left < right ? -1 : left > right ? 1 : 0
}

function magnitude(text: string): number | undefined {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  if (/^\d{4}-\d\d-\d\d/.test(text)) return Date.parse(text)
  return undefined
}
