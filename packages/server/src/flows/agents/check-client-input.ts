import type { FieldFault } from '@valetkey/contract/errors'
import { agentScopes, appScopes } from '../../core/client.ts'
import { Failure } from '../../core/failure.ts'
import { cleanJwks, type PublicJwks } from './clean-jwks.ts'

/** What a body of `POST /v1/agents` or `/v1/apps` says, by our names; the shapes were checked at the edge. */
export interface ClientInput {
  readonly kind: 'agent' | 'app'
  readonly name: string
  readonly description?: string
  /** Apps only; agents have what the contract gives them. */
  readonly scopes?: readonly string[]
  /** Apps only. */
  readonly returnToUrls?: readonly string[]
  /** Agents only. */
  readonly user?: { readonly external_id?: string; readonly id?: string }
  /** Agents only. */
  readonly redirectUris?: readonly string[]
  readonly authenticationMethod?: string
  readonly jwks?: unknown
  /** Agents only. */
  readonly ceiling?: readonly string[]
}

/** What is known of a client after the check. */
export interface CheckedClientInput {
  readonly name: string
  readonly description?: string
  readonly scopes: readonly string[]
  readonly returnToUrls: readonly string[]
  readonly redirectUris: readonly string[]
  readonly authenticationMethod: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  readonly jwks?: PublicJwks
  readonly ceiling?: readonly string[]
}

/** What is wrong with a permission, or undefined: `checkPermission` of the permission rules. */
export type PermissionCheck = (permission: string) => string | undefined

const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

/** Judges the whole input and reports every fault at once, each with its pointer into the body. */
export function checkClientInput(input: ClientInput, checkPermission: PermissionCheck): CheckedClientInput {
  const faults: FieldFault[] = []
  const fault = (pointer: string, detail: string) => faults.push({ pointer, detail })

  const name = input.name.trim()
  if (name === '' || name.length > 200 || hasControls(name))
    fault('/name', 'A name has 1 to 200 characters and no control characters.')
  if (input.description !== undefined && (input.description.length > 2000 || hasControls(input.description)))
    fault('/description', 'A description has at most 2000 characters and no control characters.')

  if (input.kind === 'app') {
    if (input.user !== undefined) fault('/user', 'Only an agent can belong to a user.')
    if (input.ceiling !== undefined) fault('/ceiling', 'Only an agent has a ceiling.')
    if (input.redirectUris !== undefined)
      fault('/redirect_uris', 'Only an agent has redirect_uris; an app has return_to_urls.')
    if ((input.scopes ?? []).length === 0) fault('/scopes', `Name at least one scope of ${appScopes.join(', ')}.`)
  } else {
    if (input.scopes !== undefined) fault('/scopes', 'The scopes of agents are fixed. Leave this out.')
    if (input.returnToUrls !== undefined) fault('/return_to_urls', 'Only an app has return_to_urls.')
  }
  for (const [index, scope] of (input.scopes ?? []).entries()) {
    if (!(appScopes as readonly string[]).includes(scope))
      fault(`/scopes/${index}`, `An app cannot have this scope. Choose from ${appScopes.join(', ')}.`)
  }
  for (const [member, urls] of [
    ['return_to_urls', input.returnToUrls ?? []],
    ['redirect_uris', input.redirectUris ?? []],
  ] as const) {
    if (urls.length > 50) fault(`/${member}`, 'At most 50 URLs.')
    for (const [index, url] of urls.entries()) {
      const why = urlFault(url)
      if (why !== undefined) fault(`/${member}/${index}`, why)
    }
  }
  for (const [index, permission] of (input.ceiling ?? []).entries()) {
    const why = checkPermission(permission)
    if (why !== undefined) fault(`/ceiling/${index}`, why)
  }

  const method = input.authenticationMethod ?? 'client_secret_basic'
  if (method === 'none')
    fault(
      '/token_endpoint_auth_method',
      'Public clients need people to sign in here, which is not available yet. Use client_secret_basic or private_key_jwt.',
    )
  else if (!isMethod(method)) fault('/token_endpoint_auth_method', `Choose one of ${methods.join(', ')}.`)
  let jwks: PublicJwks | undefined
  if (method === 'private_key_jwt' && input.jwks === undefined)
    fault('/jwks', 'private_key_jwt needs jwks: {"keys": [...]} with the public keys.')
  else if (method !== 'private_key_jwt' && input.jwks !== undefined)
    fault('/jwks', 'jwks goes with token_endpoint_auth_method private_key_jwt only.')
  else if (input.jwks !== undefined) {
    const cleaned = cleanJwks(input.jwks)
    if (cleaned.kind === 'clean') jwks = cleaned.jwks
    else for (const found of cleaned.faults) fault(found.pointer, found.detail)
  }

  if (faults.length > 0) {
    const detail = faults.map(found => `${found.pointer}: ${found.detail}`).join(' ')
    throw new Failure('validation_failed', detail, { errors: faults })
  }
  return {
    name,
    ...(input.description !== undefined && { description: input.description }),
    scopes: input.kind === 'app' ? [...new Set(input.scopes)] : [...agentScopes],
    returnToUrls: [...new Set(input.returnToUrls)],
    redirectUris: [...new Set(input.redirectUris)],
    authenticationMethod: method as CheckedClientInput['authenticationMethod'],
    ...(jwks !== undefined && { jwks }),
    ...(input.ceiling !== undefined && { ceiling: [...new Set(input.ceiling)] }),
  }
}

/**
 * What keeps a URL from being one that we send a browser to, or undefined: https, or http on a loopback IP literal
 * (RFC 8252 sections 7.3 and 8.3); no fragment, no user name, nothing that two parsers could read differently (rows 13, 91).
 */
export function urlFault(text: string): string | undefined {
  if (text.length > 2048) return 'A URL has at most 2048 characters.'
  if (!/^[\x21-\x7e]+$/.test(text) || /[\\<>"^`{|}*]/.test(text))
    return 'A URL has printable ASCII characters only, without spaces, backslashes and wildcards. Percent-encode others.'
  if (text.includes('#')) return 'A URL here has no fragment. Remove the # and what follows.'
  const url = URL.parse(text)
  if (url === null) return 'This is not an absolute URL, e.g. https://app.example.com/connected.'
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/\/[^/?]*@/i.test(text))
    return 'A URL here has no user name.'
  if (!/^https?:\/\/[^/?]/i.test(text)) return 'A URL here begins with https:// and a host.'
  if (url.protocol === 'https:') return undefined
  if (url.protocol === 'http:' && isLoopbackAddress(url.hostname)) return undefined
  return 'A URL here is https; http is for loopback addresses only (http://127.0.0.1:…/, http://[::1]:…/, not localhost).'
}

function isLoopbackAddress(hostname: string): boolean {
  // The parser has already brought every spelling of an IPv4 address to four decimal parts.
  return hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

function isMethod(text: string): boolean {
  return (methods as readonly string[]).includes(text)
}

function hasControls(text: string): boolean {
  return !text.isWellFormed() || /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(text)
}
