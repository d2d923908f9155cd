import { Failure } from '../../core/failure.ts'
import { type JsonObject, readBoundedJson } from '../../core/token/bounded-json.ts'
import type { DiscoveredEndpoints, Send } from './oauth.ts'
import { readSendFailure } from './send-failure.ts'

const documentBounds = { maxBytes: 131_072, maxDepth: 8, maxMembers: 2_000, maxTextLength: 8_192 }
const longestUrl = 2_048

/**
 * Reads the issuer's discovery document (OpenID Connect Discovery 1.0 section 4). Its `issuer` must equal the one asked
 * for, character by character, or one server could speak for another (row 41). `supportsS256` is false only when the
 * document lists challenge methods and S256 is not among them (row 19).
 */
export async function discover(send: Send, issuer: string): Promise<DiscoveredEndpoints> {
  const asked = absoluteUrl(issuer)
  if (asked === undefined || asked.search !== '') {
    throw new Failure('validation_failed', 'An issuer is an absolute http(s) URL without query, fragment or user.', {
      errors: [{ pointer: '/overrides/issuer', detail: 'expected an https URL such as https://login.example.com' }],
    })
  }
  const document = await fetchDocument(send, issuer)
  if (document.issuer !== issuer) {
    throw refused('The discovery document names another issuer. Give the issuer exactly as the provider writes it.')
  }
  const endpoint = (name: string): string | undefined => {
    const value = document[name]
    if (value === undefined) return undefined
    const url = typeof value === 'string' ? absoluteUrl(value) : undefined
    if (url === undefined || (asked.protocol === 'https:' && url.protocol !== 'https:')) {
      throw refused(`The discovery document's ${name} is not an absolute https URL.`)
    }
    return value as string
  }
  const authorizationEndpoint = endpoint('authorization_endpoint')
  const tokenEndpoint = endpoint('token_endpoint')
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined) {
    throw refused('The discovery document lacks an authorization or token endpoint.')
  }
  const optional = {
    jwksUri: endpoint('jwks_uri'),
    userinfoEndpoint: endpoint('userinfo_endpoint'),
    revocationEndpoint: endpoint('revocation_endpoint'),
    introspectionEndpoint: endpoint('introspection_endpoint'),
    registrationEndpoint: endpoint('registration_endpoint'),
    deviceAuthorizationEndpoint: endpoint('device_authorization_endpoint'),
    parEndpoint: endpoint('pushed_authorization_request_endpoint'),
  }
  const methods = document.code_challenge_methods_supported
  return {
    issuer,
    authorizationEndpoint,
    tokenEndpoint,
    ...withoutUndefined(optional),
    issParameter: document.authorization_response_iss_parameter_supported === true,
    supportsS256: methods === undefined || (Array.isArray(methods) && methods.includes('S256')),
  }
}

async function fetchDocument(send: Send, issuer: string): Promise<JsonObject> {
  let answer: Awaited<ReturnType<Send>>
  try {
    answer = await send({
      method: 'GET',
      url: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
      headers: { accept: 'application/json', 'user-agent': 'Valetkey' },
    })
  } catch (thrown) {
    const failure = readSendFailure(thrown)
    if (failure.hasBadAnswer) throw refused(`The discovery document is not acceptable: ${failure.why}.`)
    throw new Failure('provider_unavailable', `The issuer could not be asked for its endpoints: ${failure.why}.`)
  }
  if (answer.status >= 500 || answer.status === 429) {
    throw new Failure('provider_unavailable', 'The issuer could not answer with its endpoints. Try again later.')
  }
  if (answer.status !== 200) throw refused('The issuer has no discovery document at the standard path.')
  const read = readBoundedJson(answer.body, documentBounds)
  if (read.kind === 'refused') throw refused(`The discovery document is not acceptable: ${read.why}.`)
  return read.value
}

function absoluteUrl(text: string): URL | undefined {
  if (text.length > longestUrl || !/^https?:\/\/[\x21-\x7e]+$/.test(text) || text.includes('\\')) return undefined
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return undefined
  }
  return url.username === '' && url.password === '' && !text.includes('#') ? url : undefined
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function withoutUndefined<T extends Record<string, unknown>>(record: T): Present<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Present<T>
}

function refused(detail: string): Failure {
  return new Failure('provider_answer_refused', detail)
}
