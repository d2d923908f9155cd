import { errors } from '@valetkey/contract/errors'
import type { Route } from './route.ts'

/** The OpenAPI 3.1 document, made from the rows of the API, so that it cannot say anything else than they do. */
export function openApiDocument(routes: readonly Route[], baseUrl: string): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const place = paths[route.path] ?? {}
    paths[route.path] = place
    const parameters = [
      ...[...route.path.matchAll(/\{(\w+)\}/g)].map(match => ({
        name: match[1],
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      ...Object.entries(route.query ?? {}).map(([name, schema]) => ({ name, in: 'query', required: false, schema })),
      ...(route.idempotent === undefined
        ? []
        : [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } }]),
    ]
    place[route.method.toLowerCase()] = {
      summary: route.summary,
      operationId: `${route.method.toLowerCase()}${route.path
        .replaceAll(/\/v1|\{(\w+)\}|[^A-Za-z0-9]+/g, ' ')
        .trim()
        .replaceAll(/ +/g, '_')}${route.path.endsWith('}') ? '_one' : ''}`,
      security: [{ oauth: route.scopes }],
      'x-clients': route.clients,
      ...(route.agentScopes !== undefined && { 'x-agent-scopes': route.agentScopes }),
      ...(parameters.length > 0 && { parameters }),
      ...(route.body !== undefined && {
        requestBody: { required: true, content: { 'application/json': { schema: route.body } } },
      }),
      responses: {
        [route.idempotent === undefined ? '200' : '201']: {
          description: 'Done.',
          content: { 'application/json': { schema: { type: 'object' } } },
        },
        default: {
          description: 'A problem (RFC 9457).',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Valetkey',
      version: '0.1.0',
      description: 'The OAuth layer between AI agents and people’s accounts.',
    },
    servers: [{ url: baseUrl }],
    paths: {
      ...paths,
      '/proxy/{connection}/{path}': {
        description:
          'Any of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS. The path is the whole path at the provider’s origin; the answer is the provider’s.',
        parameters: [
          { name: 'connection', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'path', in: 'path', required: true, schema: { type: 'string' } },
        ],
      },
    },
    components: {
      securitySchemes: {
        oauth: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: `${baseUrl}/oauth/token`, scopes: {} } } },
      },
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            code: { type: 'string', enum: Object.keys(errors) },
            request_id: { type: 'string' },
          },
        },
      },
    },
  }
}
