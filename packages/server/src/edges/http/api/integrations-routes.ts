import { invalid, notFound } from '../../../core/failure.ts'
import { isId } from '../../../core/ids.ts'
import type { Integration, Overrides } from '../../../core/integration.ts'
import { Secret } from '../../../core/secret.ts'
import { missingOf } from '../../../flows/integrations/missing-of.ts'
import {
  addIntegration,
  changeIntegration,
  type IntegrationInput,
} from '../../../flows/integrations/save-integration.ts'
import { pageAnswer, pageOf } from './page.ts'
import { type Call, created, object, ok, pageQuery, type Route, rfc3339, type Schema, text, texts } from './route.ts'

const url: Schema = { type: 'string', minLength: 1, maxLength: 2000 }
const overridesSchema: Schema = object({
  issuer: url,
  authorization_endpoint: url,
  token_endpoint: url,
  revocation_endpoint: url,
  userinfo_endpoint: url,
  origins: { type: 'object', maxProperties: 50, propertyNames: { maxLength: 300 }, additionalProperties: url },
})
const members = {
  name: text(),
  client_id: text(500),
  client_secret: { type: 'string', minLength: 1, maxLength: 4000 },
  private_key: { type: 'string', minLength: 1, maxLength: 20_000 },
  scopes: texts(),
  parameters: { type: 'object', maxProperties: 20, additionalProperties: text() },
  overrides: overridesSchema,
} satisfies Record<string, Schema>

export function showIntegration(
  call: Pick<Call, 'parts' | 'baseUrl'>,
  integration: Integration,
): Record<string, unknown> {
  const missing = missingOf(call.parts, integration)
  const { overrides } = integration
  return {
    id: integration.id,
    provider: integration.provider,
    name: integration.name,
    client_id: integration.clientId ?? null,
    has_client_secret: integration.sealedClientSecret !== undefined,
    has_private_key: integration.sealedPrivateKey !== undefined,
    scopes: integration.scopes,
    parameters: integration.parameters,
    overrides: {
      ...(overrides.issuer !== undefined && { issuer: overrides.issuer }),
      ...(overrides.authorizationEndpoint !== undefined && { authorization_endpoint: overrides.authorizationEndpoint }),
      ...(overrides.tokenEndpoint !== undefined && { token_endpoint: overrides.tokenEndpoint }),
      ...(overrides.revocationEndpoint !== undefined && { revocation_endpoint: overrides.revocationEndpoint }),
      ...(overrides.userinfoEndpoint !== undefined && { userinfo_endpoint: overrides.userinfoEndpoint }),
      ...(overrides.origins !== undefined && { origins: overrides.origins }),
    },
    status: missing.length === 0 ? 'ready' : 'incomplete',
    missing,
    callback_url: `${call.baseUrl}/callback/${integration.id}`,
    created_at: rfc3339(integration.createdAt),
    updated_at: rfc3339(integration.updatedAt),
  }
}

function inputOf(body: Record<string, unknown>): IntegrationInput {
  const given = body as {
    name?: string
    client_id?: string
    client_secret?: string
    private_key?: string
    scopes?: string[]
    parameters?: Record<string, string>
    overrides?: {
      issuer?: string
      authorization_endpoint?: string
      token_endpoint?: string
      revocation_endpoint?: string
      userinfo_endpoint?: string
      origins?: Record<string, string>
    }
  }
  const from = given.overrides
  const overrides: Overrides | undefined =
    from === undefined
      ? undefined
      : {
          ...(from.issuer !== undefined && { issuer: from.issuer }),
          ...(from.authorization_endpoint !== undefined && { authorizationEndpoint: from.authorization_endpoint }),
          ...(from.token_endpoint !== undefined && { tokenEndpoint: from.token_endpoint }),
          ...(from.revocation_endpoint !== undefined && { revocationEndpoint: from.revocation_endpoint }),
          ...(from.userinfo_endpoint !== undefined && { userinfoEndpoint: from.userinfo_endpoint }),
          ...(from.origins !== undefined && { origins: from.origins }),
        }
  return {
    ...(given.name !== undefined && { name: given.name }),
    ...(given.client_id !== undefined && { clientId: given.client_id }),
    ...(given.client_secret !== undefined && { clientSecret: new Secret(given.client_secret) }),
    ...(given.private_key !== undefined && { privateKey: new Secret(given.private_key) }),
    ...(given.scopes !== undefined && { scopes: given.scopes }),
    ...(given.parameters !== undefined && { parameters: given.parameters }),
    ...(overrides !== undefined && { overrides }),
  }
}

export const integrationsRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/integrations',
    summary: 'Add an OAuth client at a provider. Opens no connection to anyone.',
    scopes: ['integrations:write'],
    clients: ['app', 'operator'],
    body: object({ provider: text(), ...members }, ['provider']),
    idempotent: { secrets: [] },
    async handle(call) {
      const { provider, ...rest } = call.body as { provider: string }
      const integration = await addIntegration(call.parts, call.caller, provider, inputOf(rest))
      return created(`${call.baseUrl}/v1/integrations/${integration.id}`, showIntegration(call, integration))
    },
  },
  {
    method: 'GET',
    path: '/v1/integrations',
    summary: 'List integrations.',
    scopes: ['integrations:read'],
    clients: ['app', 'operator'],
    query: { ...pageQuery, provider: text() },
    async handle(call) {
      const page = { ...pageOf(call), ...(call.query.provider !== undefined && { provider: call.query.provider }) }
      return pageAnswer(await call.parts.store.asTenant(call.tenant.id, rows => rows.integrations.list(page)), row =>
        showIntegration(call, row),
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/integrations/{id}',
    summary: 'Read one integration.',
    scopes: ['integrations:read'],
    clients: ['app', 'operator'],
    async handle(call) {
      const { id } = call.params
      const row = isId('int', id)
        ? await call.parts.store.asTenant(call.tenant.id, rows => rows.integrations.get(id))
        : undefined
      if (row === undefined) throw notFound()
      return ok(showIntegration(call, row))
    },
  },
  {
    method: 'PATCH',
    path: '/v1/integrations/{id}',
    summary: 'Change an integration. A change of destinations needs the secret again and ends what was connected.',
    scopes: ['integrations:write'],
    clients: ['app', 'operator'],
    body: object(members),
    async handle(call) {
      const { id } = call.params
      if (!isId('int', id)) throw notFound()
      if (Object.keys(call.body).length === 0) throw invalid('', 'Name at least one member to change.')
      return ok(showIntegration(call, await changeIntegration(call.parts, call.caller, id, inputOf(call.body))))
    },
  },
]
