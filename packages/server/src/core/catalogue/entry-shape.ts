import { actions } from '../permission/permission.ts'
import { type QuirkName, quirks } from './quirk.ts'
import { list, object, oneOf, optional, record, text, truth, wholeNumber } from './shape.ts'

const url = text(/^https:\/\/[^\s\\#@]+$/, 'must be an https URL without user name and fragment')
const pointer = text(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer (RFC 6901)')
const header = text(/^[a-z0-9-]+$/, 'must be a header name in lower case')
const pattern = text(/^\//, 'must be a path pattern that begins with "/"')
const host = text(/^[a-z0-9.-]+(:[0-9]+)?$/, 'must be a host in lower case')

const tokenPlaces = object({
  accessToken: optional(pointer),
  refreshToken: optional(pointer),
  expiresIn: optional(pointer),
  scope: optional(pointer),
})

const oauth = object({
  issuer: optional(url),
  discovery: optional(oneOf('oidc')),
  issParameter: optional(truth),
  authorizationEndpoint: optional(url),
  tokenEndpoint: optional(url),
  revocationEndpoint: optional(url),
  introspectionEndpoint: optional(url),
  userinfoEndpoint: optional(url),
  deviceAuthorizationEndpoint: optional(url),
  registrationEndpoint: optional(url),
  parEndpoint: optional(url),
  otherEndpoints: optional(list(url)),
  pkce: oneOf('S256', 'forbidden'),
  clientAuthentication: oneOf('client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'),
  tokenRequestFormat: oneOf('form', 'json'),
  scopeSeparator: oneOf(' ', ','),
  scopeParameter: optional(text()),
  scopesFixedAtClient: optional(truth),
  identityScopes: optional(list(text())),
  authorizationParameters: optional(record(text())),
  tokenParameters: optional(record(text())),
  refresh: oneOf('rotating', 'optional-rotating', 'static', 'none', 'unknown'),
  accessTokenLifetimeSeconds: optional(wholeNumber(60)),
  tokenAnswer: optional(tokenPlaces),
  refreshAnswer: optional(tokenPlaces),
  tokenTypes: optional(list(text())),
  authorizationModel: oneOf('per_token', 'per_user_client', 'accumulating'),
  revocation: optional(
    object({
      method: oneOf('rfc7009', 'bearer', 'delete-path'),
      tokens: list(oneOf('access_token', 'refresh_token'), 1),
    }),
  ),
  account: optional(
    object({
      source: oneOf('endpoint', 'token-answer', 'id-token'),
      url: optional(url),
      method: optional(oneOf('GET', 'POST')),
      id: list(pointer, 1),
      label: list(pointer, 1),
    }),
  ),
})

const api = object({
  origins: list(object({ origin: url, pathPrefixes: list(pattern, 1) })),
  credentialHeader: optional(object({ name: text(), scheme: text(/^[!-~]*$/, 'must be a scheme or empty') })),
  requestHeaders: list(header),
  defaultHeaders: optional(record(text())),
  credentialParameters: list(text(/^[^A-Z]+$/, 'must be in lower case')),
  unauthorizedAnswers: optional(list(object({ status: wholeNumber(200), pointer, values: list(text(), 1) }))),
  batch: optional(list(pattern)),
  safeMethods: optional(truth),
  slashAtEnd: optional(truth),
  graphql: optional(object({ host: optional(host), path: pattern })),
})

const operation = object({
  id: text(),
  description: text(),
  resourceType: text(),
  action: oneOf(...actions),
  routes: list(object({ methods: list(text(/^[A-Z]+$/, 'must be a method'), 1), host: optional(host), pattern })),
  graphql: optional(text(/^[_A-Za-z][_0-9A-Za-z]*$/, 'must be the name of a GraphQL field')),
  scopes: object({ anyOf: optional(list(text(), 1)), allOf: optional(list(text(), 1)) }),
  verified: truth,
  links: optional(list(object({ pointer, host: optional(host) }))),
  encodedSlash: optional(truth),
  resources: optional(
    list(
      object({
        type: text(),
        in: list(oneOf('path', 'query', 'form', 'json', 'header'), 1),
        name: optional(text()),
        pointer: optional(pointer),
        header: optional(header),
        many: optional(truth),
        optional: optional(truth),
        uuid: optional(truth),
        without: optional(list(text(), 1)),
      }),
      1,
    ),
  ),
})

/** The shape of a catalogue entry: agrees with the type `ProviderEntry` (a test sees to it) and makes the JSON schema. */
export const entryShape = object({
  schemaVersion: oneOf(1),
  id: text(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be in kebab-case'),
  name: text(),
  category: text(),
  status: oneOf('confirmed', 'unconfirmed'),
  confidence: oneOf('high', 'medium', 'low'),
  docsUrl: url,
  registration: object({ url, steps: list(text(), 1), traps: list(text()) }),
  oauth,
  quirks: list(oneOf(...(Object.keys(quirks) as QuirkName[]))),
  api,
  resourceTypes: record(
    object({
      words: text(),
      scopes: optional(object({ read: optional(list(text(), 1)), write: optional(list(text(), 1)) })),
    }),
  ),
  scopes: list(
    object({
      name: text(),
      description: text(),
      resourceType: text(),
      access: oneOf('read', 'write', 'admin'),
      sensitivity: oneOf('low', 'medium', 'high'),
    }),
  ),
  operations: list(operation),
})

/** The JSON schema of `catalogue/*.json`, for editors and for those who write entries. */
export function entrySchema(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A provider of the catalogue',
    ...entryShape.schema,
  }
}
