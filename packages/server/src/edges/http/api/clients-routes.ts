import type { Client } from '../../../core/client.ts'
import { checkPermission } from '../../../core/permission/permission.ts'
import { createClient } from '../../../flows/agents/create-client.ts'
import { deleteClient } from '../../../flows/agents/delete-client.ts'
import { listClients, readClient } from '../../../flows/agents/read-clients.ts'
import { rotateClientSecret } from '../../../flows/agents/rotate-client-secret.ts'
import { pageAnswer, pageOf } from './page.ts'
import {
  type Call,
  created,
  object,
  ok,
  pageQuery,
  type Route,
  rfc3339,
  type Schema,
  text,
  texts,
  userReference,
} from './route.ts'

async function showClient(call: Pick<Call, 'parts' | 'tenant'>, client: Client): Promise<Record<string, unknown>> {
  const { user } = client
  const owner =
    user === undefined ? undefined : await call.parts.store.asTenant(call.tenant.id, rows => rows.users.get(user))
  return {
    id: client.id,
    client_id: client.id,
    name: client.name,
    ...(client.kind === 'agent'
      ? {
          description: client.description ?? null,
          user: owner === undefined ? null : { id: owner.id, external_id: owner.externalId },
          redirect_uris: client.redirectUris,
          ceiling: client.ceiling ?? null,
        }
      : { return_to_urls: client.returnToUrls }),
    scopes: client.scopes,
    token_endpoint_auth_method: client.authenticationMethod,
    ...(client.jwks !== undefined && { jwks: client.jwks }),
    disabled: client.disabledAt !== undefined,
    created_at: rfc3339(client.createdAt),
    updated_at: rfc3339(client.updatedAt),
  }
}

const method: Schema = {
  type: 'string',
  enum: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
}
const jwks: Schema = { type: 'object' }

/** The five routes of one kind of client; agents and apps differ in what they are made of. */
function routesOf(kind: 'agent' | 'app', body: Schema): Route[] {
  const path = `/v1/${kind}s`
  return [
    {
      method: 'POST',
      path,
      summary: `Add an ${kind}. Its secret is shown once.`,
      scopes: ['clients:write'],
      clients: ['operator'],
      body,
      idempotent: { secrets: ['client_secret'] },
      async handle(call) {
        const given = call.body as {
          name: string
          description?: string
          scopes?: string[]
          return_to_urls?: string[]
          user?: { external_id?: string; id?: string }
          redirect_uris?: string[]
          token_endpoint_auth_method?: string
          jwks?: unknown
          ceiling?: string[]
        }
        const { client, secret } = await createClient(
          call.parts,
          call.caller,
          {
            kind,
            name: given.name,
            ...(given.description !== undefined && { description: given.description }),
            ...(given.scopes !== undefined && { scopes: given.scopes }),
            ...(given.return_to_urls !== undefined && { returnToUrls: given.return_to_urls }),
            ...(given.user !== undefined && { user: given.user }),
            ...(given.redirect_uris !== undefined && { redirectUris: given.redirect_uris }),
            ...(given.token_endpoint_auth_method !== undefined && {
              authenticationMethod: given.token_endpoint_auth_method,
            }),
            ...(given.jwks !== undefined && { jwks: given.jwks }),
            ...(given.ceiling !== undefined && { ceiling: given.ceiling }),
          },
          permission => checkPermission(permission, id => call.parts.catalogue.get(id)),
        )
        return created(`${call.baseUrl}${path}/${client.id}`, {
          ...(await showClient(call, client)),
          ...(secret !== undefined && { client_secret: secret.reveal() }),
        })
      },
    },
    {
      method: 'GET',
      path,
      summary: `List ${kind}s.`,
      scopes: ['clients:read'],
      clients: ['operator'],
      query: pageQuery,
      async handle(call) {
        return pageAnswer(await listClients(call.parts, call.caller, kind, pageOf(call)), row => showClient(call, row))
      },
    },
    {
      method: 'GET',
      path: `${path}/{id}`,
      summary: `Read one ${kind}.`,
      scopes: ['clients:read'],
      clients: ['operator'],
      async handle(call) {
        return ok(await showClient(call, await readClient(call.parts, call.caller, kind, call.params.id ?? '')))
      },
    },
    {
      method: 'POST',
      path: `${path}/{id}/secrets`,
      summary: 'Make a new secret, shown once. The old one works for the overlap, a day unless said.',
      scopes: ['clients:write'],
      clients: ['operator'],
      body: object({ overlap_seconds: { type: 'integer', minimum: 0, maximum: 2_592_000 } }),
      async handle(call) {
        const { overlap_seconds } = call.body as { overlap_seconds?: number }
        const { client, secret } = await rotateClientSecret(
          call.parts,
          call.caller,
          kind,
          call.params.id ?? '',
          overlap_seconds,
        )
        return created(`${call.baseUrl}${path}/${client.id}`, {
          ...(await showClient(call, client)),
          client_secret: secret.reveal(),
        })
      },
    },
    {
      method: 'DELETE',
      path: `${path}/{id}`,
      summary: `End an ${kind}: its tokens are refused from now on and its grants end.`,
      scopes: ['clients:write'],
      clients: ['operator'],
      async handle(call) {
        return ok(await showClient(call, await deleteClient(call.parts, call.caller, kind, call.params.id ?? '')))
      },
    },
  ]
}

export const clientsRoutes: readonly Route[] = [
  ...routesOf(
    'agent',
    object(
      {
        name: text(),
        description: text(2000),
        user: userReference,
        redirect_uris: texts(20, 2000),
        token_endpoint_auth_method: method,
        jwks,
        ceiling: texts(200),
      },
      ['name'],
    ),
  ),
  ...routesOf(
    'app',
    object(
      { name: text(), scopes: texts(), return_to_urls: texts(50, 2000), token_endpoint_auth_method: method, jwks },
      ['name', 'scopes'],
    ),
  ),
]
