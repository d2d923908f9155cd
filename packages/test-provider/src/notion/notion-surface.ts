import { randomUUID } from 'node:crypto'
import { statusOf } from '../api/generic-surface.ts'
import type { ApiRefusal, Surface } from '../oauth/provider-state.ts'
import { notionRoutes } from './notion-api.ts'
import { notionError } from './notion-error.ts'
import { personShape } from './notion-shapes.ts'
import { workspaceOf } from './workspace-of.ts'

/** What an integration may be allowed on Notion; they are set at the app, not asked for. */
export const notionCapabilities = [
  'read_content',
  'update_content',
  'insert_content',
  'read_comments',
  'insert_comments',
  'read_user_without_email',
  'read_user_with_email',
] as const

/** Notion: Basic authentication with JSON bodies, tokens without expiry, rights fixed at the app. */
export const notionSurface: Surface = {
  vendor: 'notion',
  paths: {
    authorize: '/v1/oauth/authorize',
    token: '/v1/oauth/token',
    revoke: '/v1/oauth/revoke',
    introspect: '/v1/oauth/introspect',
    isDiscoverable: false,
  },
  defaults: {
    pkce: 'ignored',
    rotation: 'rotating',
    accessTokenSeconds: Number.POSITIVE_INFINITY,
    authMethod: 'client_secret_basic',
    quirks: ['json-token-request', 'no-expiry', 'scope-missing'],
    scopes: notionCapabilities,
  },
  tokenShape: { accessPrefix: 'ntn_', refreshPrefix: 'nrt_', tokenTail: '' },
  isScopedByClient: true,
  isResponseTypeOptional: false,
  tokenMembers(state, family) {
    const workspace = workspaceOf(state, family.userId ?? '')
    if (workspace === undefined) return {}
    const withEmail = family.scopes.includes('read_user_with_email')
    return {
      token_type: state.quirks.has('token-type-nonstandard') ? 'bot' : 'bearer',
      bot_id: workspace.botId,
      workspace_id: workspace.id,
      workspace_name: workspace.name,
      workspace_icon: null,
      owner: { type: 'user', user: personShape(workspace, withEmail) },
      duplicated_template_id: null,
      request_id: randomUUID(),
    }
  },
  errorMembers: () => ({ request_id: randomUUID() }),
  refuseApi(_state, refusal) {
    const { code, message } = notionWords(refusal)
    return notionError(statusOf(refusal), code, message)
  },
  routes: state => notionRoutes(state),
}

function notionWords(refusal: ApiRefusal): { readonly code: string; readonly message: string } {
  switch (refusal.kind) {
    case 'no_token':
    case 'invalid_token':
    case 'expired_token':
      return { code: 'unauthorized', message: 'API token is invalid.' }
    case 'insufficient_scope':
      return { code: 'restricted_resource', message: 'Insufficient permissions for this endpoint.' }
    case 'not_found':
    case 'method_not_allowed':
      return { code: 'invalid_request_url', message: 'Invalid request URL.' }
  }
}
