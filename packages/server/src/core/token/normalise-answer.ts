import type { ProviderEntry } from '../catalogue/provider.ts'
import { answerBounds, boundObject, type JsonObject, readBoundedJson } from './bounded-json.ts'
import { atPointer } from './json-pointer.ts'
import { scopeList } from './scope-list.ts'

/** What came over the wire, untouched. */
export interface RawAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * `answer` with status 200 has `access_token`, `token_type: "bearer"` and maybe `refresh_token`, `expires_in` (whole
 * seconds > 0), `scope` (separated by spaces) and `id_token` as RFC 6749 section 5.1 spells them, beside the vendor's
 * own members. Any other status has `{error}` alone (section 5.2), its code limited to `[a-z0-9_.-]{1,64}`.
 */
export type NormalisedAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly json: JsonObject }
  | { readonly kind: 'refused'; readonly why: string }

/** An entry may give one pointer or several, tried in order. */
type Pointers = string | readonly string[]
interface Places {
  readonly accessToken?: Pointers
  readonly refreshToken?: Pointers
  readonly expiresIn?: Pointers
  readonly scope?: Pointers
}

const tenYearsInSeconds = 315_360_000
const visibleAscii = /^[\x21-\x7e]+$/
const printableAscii = /^[\x20-\x7e]+$/
/** Types that want a proof of possession: to use such a token as bearer would be wrong, whatever an entry says. */
const boundTokenTypes = new Set(['dpop', 'mac', 'pop', 'n_a'])

/**
 * Brings a token answer into the one form of RFC 6749, by what the entry declares, and judges it as hostile input
 * (row 70). `why` never holds anything of the answer (row 24).
 */
export function normaliseAnswer(
  raw: RawAnswer & { readonly entry: ProviderEntry; readonly grantType?: string },
): NormalisedAnswer {
  const { status, entry } = raw
  if (status >= 300 && status < 400) return refused('the answer is a redirect, which is never followed')
  const read = readBody(raw)
  if (status >= 400) {
    return failed(status, (read.kind === 'object' ? errorCode(read.value, status) : undefined) ?? unrecognised)
  }
  if (status !== 200 && status !== 201) return refused('the status of the answer is neither 200 nor 201')
  if (read.kind === 'refused') return read
  const said = errorCode(read.value, status)
  if (said !== undefined) return failed(400, said)
  const { tokenAnswer, refreshAnswer } = entry.oauth
  return standardForm(read.value, entry, (raw.grantType === 'refresh_token' ? refreshAnswer : undefined) ?? tokenAnswer)
}

function readBody(raw: RawAnswer & { readonly entry: ProviderEntry }): ReturnType<typeof readBoundedJson> {
  const type = (raw.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const mayBeForm = raw.entry.quirks.includes('form-encoded-answer') && type !== 'application/json'
  if (type !== 'application/x-www-form-urlencoded' && !mayBeForm) return readBoundedJson(raw.body, answerBounds)
  if (raw.body.byteLength > answerBounds.maxBytes) return { kind: 'refused', why: 'the body is larger than we accept' }
  const text = Buffer.from(raw.body).toString('utf8')
  // A vendor that answers forms may answer errors as JSON under the same text type.
  if (text.trimStart().startsWith('{')) return readBoundedJson(raw.body, answerBounds)
  const members: Record<string, unknown> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(members, name)) return { kind: 'refused', why: 'a parameter of the form stands there twice' }
    members[name] = value
  }
  return boundObject(members, answerBounds)
}

function standardForm(json: JsonObject, entry: ProviderEntry, where: Places | undefined): NormalisedAnswer {
  const access = find(json, where?.accessToken ?? '/access_token')
  if (access === undefined) return refused('the answer has no access token where the entry says it is')
  if (typeof access.value !== 'string' || !visibleAscii.test(access.value)) {
    return refused('the access token is not a text of visible ASCII')
  }
  const beside = (pointers: Pointers): unknown => find(json, family(pointers, where?.accessToken, access.index))?.value
  const refresh = beside(where?.refreshToken ?? '/refresh_token')
  if (refresh !== undefined && (typeof refresh !== 'string' || !printableAscii.test(refresh))) {
    return refused('the refresh token is not a text of printable ASCII')
  }
  const typeFault = tokenTypeFault(json, access.pointer, entry)
  if (typeFault !== undefined) return refused(typeFault)
  const expires = lifetime(beside(where?.expiresIn ?? '/expires_in'))
  if (expires === 'malformed') return refused('the lifetime is neither a number nor a text')
  const scopes = scopeList(beside(where?.scope ?? '/scope'), entry)
  if (scopes === 'malformed') return refused('the granted scopes are not a list of scope names (RFC 6749 section 3.3)')
  const idToken = json.id_token
  if (idToken !== undefined && (typeof idToken !== 'string' || !/^[\w-]+(\.[\w-]*){2,4}$/.test(idToken))) {
    return refused('the ID token is not a compact JWS or JWE')
  }
  const out: Record<string, unknown> = Object.assign(Object.create(null), json)
  for (const name of ['access_token', 'refresh_token', 'expires_in', 'scope', 'token_type', 'error']) delete out[name]
  // What stood at the top under a standard name while the entry points deeper is another token: it is kept apart, so
  // that it is masked in answers like any other secret.
  if (access.pointer !== '/access_token' && json.access_token !== undefined) out.other_access_token = json.access_token
  if (json.refresh_token && json.refresh_token !== refresh) out.other_refresh_token = json.refresh_token
  out.access_token = access.value
  out.token_type = 'bearer'
  if (refresh !== undefined) out.refresh_token = refresh
  if (expires !== undefined) out.expires_in = expires
  if (scopes !== undefined) out.scope = scopes.join(' ')
  return { kind: 'answer', status: 200, json: out }
}

interface Found {
  readonly value: unknown
  readonly pointer: string
  readonly index: number
}

function find(json: JsonObject, pointers: Pointers): Found | undefined {
  const list = typeof pointers === 'string' ? [pointers] : pointers
  for (const [index, pointer] of list.entries()) {
    const value = atPointer(json, pointer)
    if (value !== undefined && value !== null && value !== '') return { value, pointer, index }
  }
  return undefined
}

/**
 * Lists of equal length belong together: the refresh token of one place must never be paired with the access token of
 * another, or a workspace's token would renew a person's connection.
 */
function family(pointers: Pointers, accessPointers: Pointers | undefined, index: number): Pointers {
  if (typeof pointers === 'string' || accessPointers === undefined || typeof accessPointers === 'string')
    return pointers
  return pointers.length === accessPointers.length ? pointers[index]! : pointers
}

function tokenTypeFault(json: JsonObject, accessPointer: string, entry: ProviderEntry): string | undefined {
  const parent = accessPointer.slice(0, accessPointer.lastIndexOf('/'))
  const type = atPointer(json, `${parent}/token_type`) ?? json.token_type
  const allowed = ['bearer', ...(entry.oauth.tokenTypes ?? []).map(name => name.toLowerCase())]
  if (type === undefined || type === '') {
    return allowed.includes('') || entry.quirks.includes('token-type-nonstandard')
      ? undefined
      : 'the answer has no token_type'
  }
  if (typeof type !== 'string') return 'the token_type is not a text'
  const name = type.toLowerCase()
  if (boundTokenTypes.has(name)) return 'the token_type asks for a proof of possession, expected bearer'
  return allowed.includes(name) ? undefined : 'the token_type is not bearer nor another one of the entry'
}

/** Whole seconds; undefined is unknown. Zero, negative, endless and absurd lifetimes tell us nothing (row 71). */
function lifetime(value: unknown): number | undefined | 'malformed' {
  if (value === undefined) return undefined
  if (typeof value !== 'number' && typeof value !== 'string') return 'malformed'
  const seconds = typeof value === 'number' ? value : /^\d{1,12}(\.\d{1,6})?$/.test(value.trim()) ? Number(value) : NaN
  return seconds >= 1 && seconds <= tenYearsInSeconds ? Math.floor(seconds) : undefined
}

const unrecognised = 'unrecognised'

/** The error code of an answer, undefined when a successful status says nothing of an error. */
function errorCode(json: JsonObject, status: number): string | undefined {
  const { error } = json
  const isError =
    status >= 400 ||
    json.ok === false ||
    (error !== undefined && error !== '' && error !== false) ||
    (typeof json.errorCode === 'string' && json.errorCode !== '')
  if (!isError) return undefined
  const nested = typeof error === 'object' && error !== null ? (error as JsonObject) : undefined
  for (const said of [error, nested?.code, nested?.type, nested?.error, json.errorCode, json.code, json.status]) {
    const code = typeof said === 'string' ? said.toLowerCase() : ''
    // `status: "error"` only repeats that it is one.
    if (code !== 'error' && code !== 'fail' && /^[a-z0-9_.-]{1,64}$/.test(code)) return code
  }
  return unrecognised
}

function failed(status: number, error: string): NormalisedAnswer {
  return { kind: 'answer', status, json: Object.assign(Object.create(null), { error }) }
}

function refused(why: string): NormalisedAnswer {
  return { kind: 'refused', why }
}
