import type { FastifyInstance } from 'fastify'
import { Failure, notFound } from '../../core/failure.ts'
import type { CallCounts } from '../../flows/broker/call-metrics.ts'
import type { Parts } from '../../parts.ts'
import { allRoutes } from './api/all-routes.ts'
import { openApiDocument } from './api/openapi.ts'
import { registerApi } from './api/register-api.ts'
import { type Authenticate, authorizationOf } from './authenticate.ts'
import { registerConnectPages } from './connect/connect-pages.ts'
import { metricsText } from './metrics.ts'
import { createAuthorizationServer } from './oauth/authorization-server.ts'
import { authorizationServerMetadata, protectedResourceMetadata } from './oauth/metadata.ts'

/** Everything under a tenant's base URL but `/proxy/`. */
export function registerSurface(
  app: FastifyInstance,
  parts: Parts,
  authenticate: Authenticate,
  counts: () => CallCounts,
): void {
  const authorizationServer = createAuthorizationServer(parts)

  registerApi(app, parts, allRoutes, (arrival, authorization) =>
    authenticate(
      { id: arrival.tenant, ...(arrival.slug !== undefined && { slug: arrival.slug }) },
      { authorization, requestId: arrival.requestId, ...(arrival.ip !== undefined && { ip: arrival.ip }) },
    ),
  )
  registerConnectPages(app, parts)

  // The library reads the body itself, so nothing here may.
  app.register(async scope => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    scope.all('/oauth/*', async (request, reply) => {
      reply.hijack()
      const { arrival } = request
      await authorizationServer(request.raw, reply.raw, {
        tenant: arrival.tenant,
        url: request.raw.url ?? '/',
        requestId: arrival.requestId,
        ...(arrival.ip !== undefined && { ip: arrival.ip }),
      })
    })
  })

  for (const name of ['openid-configuration', 'oauth-authorization-server'])
    app.get(`/.well-known/${name}`, async (request, reply) =>
      reply.send(authorizationServerMetadata(request.arrival.baseUrl)),
    )
  app.get('/.well-known/oauth-protected-resource', async (request, reply) =>
    reply.send(protectedResourceMetadata(request.arrival.baseUrl)),
  )
  app.get('/.well-known/oauth-protected-resource/mcp', async (request, reply) =>
    reply.send(protectedResourceMetadata(request.arrival.baseUrl, '/mcp')),
  )
  app.get('/openapi.json', async (request, reply) => reply.send(openApiDocument(allRoutes, request.arrival.baseUrl)))
  // The numbers are of the whole process, so they are the first tenant's operators' alone.
  app.get('/metrics', async (request, reply) => {
    const { arrival } = request
    if (arrival.slug !== undefined) throw notFound()
    const authorization = authorizationOf(request.raw.rawHeaders)
    if (!arrival.local || authorization.length > 0) {
      const caller = await authenticate({ id: arrival.tenant }, { authorization, requestId: arrival.requestId })
      if (caller.kind !== 'operator')
        throw new Failure('insufficient_scope', `Metrics are for operators; this token belongs to an ${caller.kind}.`)
    }
    const text = metricsText(counts(), { residentBytes: process.memoryUsage.rss(), uptimeSeconds: process.uptime() })
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text)
  })
  app.get('/healthz', async (_request, reply) => reply.send({ ok: true }))
  app.get('/readyz', async (_request, reply) => {
    const isReady = await parts.store.locator.firstTenant().then(
      tenant => tenant !== undefined,
      () => false,
    )
    return reply.code(isReady ? 200 : 503).send({ ok: isReady })
  })
}
