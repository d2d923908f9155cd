import type { Operation, ResourceLocation } from '../catalogue/provider.ts'
import { bodyKinds, textsOf, unreadableCharset } from '../request/body-kind.ts'
import { connectionNames } from '../request/connection-headers.ts'
import { formKeys } from '../request/form-keys.ts'
import { jsonKeys } from '../request/json-keys.ts'
import { multipartNames } from '../request/multipart-names.ts'
import { listedName } from '../request/parameter-name.ts'
import { type FormValues, type Reading, readForm, spellingOf } from '../request/strict-form.ts'
import { readJson, type StrictJson, valuesAt } from '../request/strict-json.ts'

/** What a call says beside its method and path. */
export interface CallArguments {
  /** Raw, with or without its "?". */
  readonly query: string
  readonly rawHeaders: readonly string[]
  /** All of it; `unread` while nobody looked; `content` when it can hold no parameters. None when there is none. */
  readonly body?: Buffer | 'unread' | 'content'
}

export interface NamedResource {
  readonly type: string
  readonly id: string
  /** The id is a UUID as `comparableId` writes it. */
  readonly isUuid?: boolean
}

/** Which resources a call names. */
export type FoundResources =
  /** `missing`: types of places that have to say one and do not. */
  | { readonly kind: 'found'; readonly resources: readonly NamedResource[]; readonly missing: readonly string[] }
  /** It cannot be told before the body is read. */
  | { readonly kind: 'unread' }
  /** The catalogue does not say where this operation names its resources. */
  | { readonly kind: 'undeclared' }
  /** Two readers could find different ones. */
  | { readonly kind: 'ambiguous'; readonly why: string }

const mostIds = 200

/**
 * The resources that a call names, by the places that its operation declares. It is found only if every reader would find
 * the same: each parameter once, in one spelling, of one value wherever it stands, in a body that is read in one way.
 */
export function findResources(
  operation: Pick<Operation, 'resources'> | undefined,
  params: Readonly<Record<string, string>>,
  call: CallArguments,
): FoundResources {
  const locations = operation?.resources
  if (locations === undefined || locations.length === 0) return { kind: 'undeclared' }
  const query = readForm(call.query)
  if (!query.ok) return ambiguous(query.why)
  const body = readBody(locations, call)
  if (body === 'unread') return { kind: 'unread' }
  if (!body.ok) return ambiguous(body.why)
  const places: Places = { params, query: query.value, ...body.value, rawHeaders: call.rawHeaders }
  const resources: NamedResource[] = []
  const missing: string[] = []
  for (const location of locations) {
    const read = readLocation(location, places)
    if (!read.ok) return ambiguous(read.why)
    const ids = read.value
    if (ids === undefined && location.optional !== true) missing.push(location.type)
    for (const id of ids ?? []) {
      resources.push({ type: location.type, id, ...(location.uuid === true && { isUuid: true }) })
    }
    if (resources.length > mostIds) return ambiguous(`The call names more than ${mostIds} resources.`)
  }
  return { kind: 'found', resources, missing }
}

/** Ids as they are compared: UUIDs without dashes and in lower case, all else as it is. */
export function comparableId(id: string): string {
  return /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i.test(id)
    ? id.replaceAll('-', '').toLowerCase()
    : id
}

interface Body {
  readonly form?: FormValues
  readonly json?: StrictJson
}

interface Places extends Body {
  readonly params: Readonly<Record<string, string>>
  readonly query: FormValues
  readonly rawHeaders: readonly string[]
}

function ambiguous(why: string): FoundResources {
  return { kind: 'ambiguous', why }
}

const refused = (why: string) => ({ ok: false, why }) as const

function readBody(locations: readonly ResourceLocation[], call: CallArguments): Reading<Body> | 'unread' {
  const { body } = call
  if (body === undefined || body.length === 0) return { ok: true, value: {} }
  if (body === 'unread') return 'unread'
  const isDeclared = locations.some(location => location.in.includes('json') || location.in.includes('form'))
  if (body === 'content') return isDeclared ? refused(unclearBody) : { ok: true, value: {} }
  const contentType = contentTypeOf(call.rawHeaders)
  // Content that mentions none of the names has no say; uploads of files are such.
  if (!isDeclared && !mayName(locations, contentType, body)) return { ok: true, value: {} }
  return readClearBody(contentType, body)
}

const unclearBody = 'The body must be one JSON object or one urlencoded form in UTF-8, of that Content-Type.'

function readClearBody(contentType: string | undefined, body: Buffer): Reading<Body> {
  const texts = textsOf(body, contentType)
  const charset = /charset\s*=\s*"?([^";\s]*)/i.exec(contentType ?? '')?.[1]?.toLowerCase() ?? 'utf-8'
  const text = readUtf8(body)
  if (texts.length !== 1 || text === undefined || !['utf-8', 'utf8', 'us-ascii'].includes(charset)) {
    return refused(unclearBody)
  }
  const type = (contentType ?? '').split(';')[0]!.trim().toLowerCase()
  const kinds = bodyKinds(contentType, text)
  if (kinds.size !== 1) return refused(unclearBody)
  if (kinds.has('json') && /^application\/(?:[\w.-]+\+)?json$/.test(type)) {
    const json = readJson(text)
    return json.ok ? { ok: true, value: { json: json.value } } : json
  }
  if (kinds.has('form') && type === 'application/x-www-form-urlencoded') {
    const form = readForm(text)
    return form.ok ? { ok: true, value: { form: form.value } } : form
  }
  return refused(unclearBody)
}

const keysOf = { json: jsonKeys, form: formKeys, multipart: multipartNames }

/** Whether any reader could find one of the declared names in the body. */
function mayName(locations: readonly ResourceLocation[], contentType: string | undefined, body: Buffer): boolean {
  const names = new Set<string>()
  for (const { name, without = [] } of locations) {
    if (name !== undefined) names.add(name.toLowerCase())
    for (const other of without) names.add(other.toLowerCase())
  }
  if (unreadableCharset(contentType) !== undefined) return true
  return textsOf(body, contentType).some(text =>
    [...bodyKinds(contentType, text)].some(kind => {
      for (const key of keysOf[kind](text)) if (listedName(key, names) !== undefined) return true
      return false
    }),
  )
}

/** The ids at one location, undefined when it is left out. */
function readLocation(location: ResourceLocation, places: Places): Reading<readonly string[] | undefined> {
  for (const name of location.without ?? []) {
    if (hasName(places, name)) return refused(`The parameter ${name} makes the id of a resource mean another one.`)
  }
  let agreed: readonly string[] | undefined
  for (const carrier of carriersOf(location)) {
    const value = valuesIn(location, carrier, places)
    if (value === undefined) continue
    const where = location.name ?? location.pointer ?? location.header
    if (value === 'unclear') return refused(`The resource ${where} is spelt or shaped in another way than expected.`)
    const ids = idsOf(value, location, carrier === 'json' && places.json?.hasOddNumbers === true)
    if (ids === undefined) return refused(`The resource ${where} is no id.`)
    if (agreed !== undefined && (agreed.length !== ids.length || agreed.some((id, index) => id !== ids[index]))) {
      return refused(`The resource ${where} is not the same everywhere in the call.`)
    }
    // One that stands where the vendor does not read it may only repeat what is said elsewhere.
    if (agreed === undefined && !location.in.includes(carrier)) {
      return refused(`The resource ${where} stands where it does not belong.`)
    }
    agreed = ids
  }
  return { ok: true, value: agreed === undefined || agreed.length === 0 ? undefined : agreed }
}

type Carrier = ResourceLocation['in'][number]

/** Declared places first; then those where a lenient reader could look for the same name. */
function carriersOf(location: ResourceLocation): readonly Carrier[] {
  if (location.name === undefined) return location.in
  return [...location.in, ...(['query', 'form', 'json'] as const).filter(carrier => !location.in.includes(carrier))]
}

function valuesIn(
  location: ResourceLocation,
  carrier: Carrier,
  places: Places,
): readonly unknown[] | 'unclear' | undefined {
  const { name = '' } = location
  switch (carrier) {
    case 'path': {
      const segment = places.params[name]
      return segment === undefined ? undefined : [decodeURIComponent(segment)]
    }
    case 'query':
    case 'form': {
      const form = places[carrier]
      const spelt = form && spellingOf(form.keys(), name)
      if (spelt === undefined) return undefined
      return spelt === name ? [form!.get(name)] : 'unclear'
    }
    case 'json':
      return places.json === undefined
        ? undefined
        : found(valuesAt(places.json.value, location.pointer ?? `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`))
    case 'header':
      return valuesInHeader(location, places.rawHeaders)
  }
}

function found(values: readonly unknown[] | undefined): readonly unknown[] | 'unclear' | undefined {
  if (values === undefined) return 'unclear'
  return values.length === 0 ? undefined : values
}

function valuesInHeader({ header, pointer }: ResourceLocation, rawHeaders: readonly string[]) {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === header)
  if (values.length === 0) return undefined
  // One that `Connection` names stays here, and nobody knows what the provider then takes for it.
  if (values.length > 1 || connectionNames(rawHeaders).has(header ?? '')) return 'unclear'
  if (pointer === undefined) return values
  const json = readJson(values[0]!)
  return json.ok && !json.value.hasOddNumbers ? found(valuesAt(json.value.value, pointer)) : 'unclear'
}

/** In a body at any depth: an id deep in a list may have its changed meaning beside it. */
function hasName({ query, form, json }: Places, name: string): boolean {
  const names = [...query.keys(), ...(form?.keys() ?? [])]
  return spellingOf(names, name) !== undefined || hasMember(json?.value, name)
}

function hasMember(value: unknown, name: string): boolean {
  if (!isObject(value)) return false
  if (!Array.isArray(value) && spellingOf(Object.keys(value), name) !== undefined) return true
  return Object.values(value).some(one => hasMember(one, name))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Texts that can be ids, as they are compared. Undefined when one of the values is none. */
function idsOf(
  values: readonly unknown[],
  { many, uuid }: ResourceLocation,
  hasOddNumbers: boolean,
): readonly string[] | undefined {
  const texts: string[] = []
  for (const value of values.flatMap(one => (many === true && Array.isArray(one) ? (one as unknown[]) : [one]))) {
    if (typeof value === 'string') texts.push(...(many === true ? value.split(',') : [value]))
    else if (typeof value === 'number' && Number.isSafeInteger(value) && !hasOddNumbers) texts.push(String(value))
    else return undefined
  }
  if (texts.some(text => !/^[^\u0000-\u001f\u007f]{1,512}$/.test(text))) return undefined
  return uuid === true ? texts.map(comparableId) : texts
}

/** The text of well-formed UTF-8, its byte order mark included. */
export function readUtf8(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return undefined
  }
}

/** Of what goes up: one that `Connection` names does not. Undefined too when there are several. */
export function contentTypeOf(rawHeaders: readonly string[]): string | undefined {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'content-type')
  return values.length === 1 && !connectionNames(rawHeaders).has('content-type') ? values[0] : undefined
}
