import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller } from '../../../core/caller.ts'
import { clientOf } from '../../../core/caller.ts'
import { operatorScopes } from '../../../core/client.ts'
import { Failure, invalid } from '../../../core/failure.ts'
import type { OperatorId } from '../../../core/ids.ts'
import { genuineClient } from '../../../flows/agents/load-client.ts'
import type { Parts } from '../../../parts.ts'
import { authorizationOf } from '../authenticate.ts'
import type { Arrival } from '../http-server.ts'
import { type Answer, type Call, object, type Route } from './route.ts'

/** Makes a Caller of an arrival and its `Authorization` fields. */
export type AuthenticateArrival = (arrival: Arrival, authorization: readonly string[]) => Promise<Caller>

const replayHours = 24

/** Puts the rows of the API on the server: authenticated, then scoped, then validated, then handled. */
export function registerApi(
  app: FastifyInstance,
  parts: Parts,
  routes: readonly Route[],
  authenticate: AuthenticateArrival,
): void {
  const callers = new WeakMap<FastifyRequest, Caller>()
  const running = new Map<string, Promise<unknown>>()
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      schema: {
        querystring: object(route.query ?? {}),
        ...(route.body !== undefined && { body: route.body }),
      },
      onRequest: async request => {
        const authorization = authorizationOf(request.raw.rawHeaders)
        // Over the socket file a token may still be sent: the call is then that token's and not the operator's.
        const caller =
          request.arrival.local && authorization.length === 0
            ? await localOperator(parts, request.arrival)
            : await authenticate(request.arrival, authorization)
        const scopes = caller.kind === 'agent' ? (route.agentScopes ?? route.scopes) : route.scopes
        const missing = scopes.filter(scope => !caller.scopes.has(scope))
        if (!route.clients.includes(caller.kind) || missing.length > 0) {
          const named = missing.length > 0 ? missing : scopes
          throw new Failure(
            'insufficient_scope',
            route.clients.includes(caller.kind)
              ? `This needs the scope ${named.join(' ')}, which this token lacks.`
              : `This is for ${route.clients.join(' and ')} clients; this token belongs to an ${caller.kind}.`,
            { members: { required_scopes: named } },
          )
        }
        callers.set(request, caller)
      },
      handler: async (request, reply) => {
        const caller = callers.get(request)
        if (caller === undefined) throw new TypeError('a handler ran without a caller')
        const { arrival } = request
        const unasked = route.body === undefined ? Object.keys((request.body ?? {}) as object) : []
        if (unasked.length > 0) throw invalid(`/${unasked[0]}`, 'This route takes no body. Leave it out.')
        const call: Call = {
          parts,
          caller,
          tenant: { id: arrival.tenant, ...(arrival.slug !== undefined && { slug: arrival.slug }) },
          baseUrl: arrival.baseUrl,
          requestId: arrival.requestId,
          ...(arrival.ip !== undefined && { ip: arrival.ip }),
          params: request.params as Record<string, string>,
          query: request.query as Record<string, string>,
          body: (request.body ?? {}) as Record<string, unknown>,
        }
        const key = headersNamed(request, 'idempotency-key')
        const { answer, replayed } =
          route.idempotent === undefined || key.length === 0
            ? { answer: await route.handle(call), replayed: false }
            : await once(parts, running, route, call, key)
        if (replayed) reply.header('idempotency-replayed', 'true')
        if (answer.location !== undefined) reply.header('location', answer.location)
        return reply.code(answer.status).type('application/json; charset=utf-8').send(answer.body)
      },
    })
  }
}

/** Every value of a header, also when it was sent more than once. */
export function headersNamed(request: FastifyRequest, name: string): readonly string[] {
  return request.raw.headersDistinct[name] ?? []
}

/** The socket file in the data folder is the operator's own: its mode is the authentication. */
async function localOperator(parts: Parts, arrival: Arrival): Promise<Caller> {
  const operators = await parts.store.asTenant(arrival.tenant, rows => rows.clients.list('operator', { limit: 1 }))
  const operator = await genuineClient(parts, arrival.tenant, operators.rows[0])
  if (operator === undefined)
    throw new Failure('unavailable', 'This tenant has no operator client. Run `valetkey init`.')
  return {
    kind: 'operator',
    operator: operator.id as OperatorId,
    tenant: arrival.tenant,
    scopes: new Set(operatorScopes),
    tokenId: 'local',
    expiresAt: Number.MAX_SAFE_INTEGER,
    requestId: arrival.requestId,
  }
}

/** `Idempotency-Key`: the same client, route and body within a day get the first answer again, without its secrets. */
async function once(
  parts: Parts,
  running: Map<string, Promise<unknown>>,
  route: Route,
  call: Call,
  keys: readonly string[],
): Promise<{ readonly answer: Answer; readonly replayed: boolean }> {
  const key = keys[0]!
  if (keys.length > 1 || !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Failure('validation_failed', 'Idempotency-Key must be sent once, with 1 to 255 visible characters.', {
      errors: [{ pointer: '', detail: 'Send one Idempotency-Key of 1 to 255 visible characters.' }],
    })
  const client = clientOf(call.caller)
  const name = `${route.method} ${route.path} ${JSON.stringify(call.params)}`
  const keyHash = digest(`${call.caller.kind === 'agent' ? (call.caller.user ?? '') : ''}\n${key}`)
  const bodyHash = digest(JSON.stringify(call.body))
  const lock = `${call.tenant.id} ${client} ${name} ${keyHash}`
  while (running.has(lock)) await running.get(lock)?.catch(() => undefined)
  const work = (async () => {
    const known = await parts.store.asTenant(call.tenant.id, rows => rows.idempotency.get(client, name, keyHash))
    if (known !== undefined && known.expiresAt > parts.now()) {
      if (known.bodyHash !== bodyHash)
        throw new Failure(
          'conflict',
          'This Idempotency-Key was used with another body. Use a new key for a new request.',
        )
      const answer: Answer = {
        status: known.status as Answer['status'],
        body: JSON.parse(known.answer) as Answer['body'],
        ...(known.location !== undefined && { location: known.location }),
      }
      return { answer, replayed: true }
    }
    const answer = await route.handle(call)
    const shown = Object.fromEntries(
      Object.entries(answer.body).filter(([member]) => !route.idempotent!.secrets.includes(member)),
    )
    await parts.store.change(call.tenant.id, rows =>
      rows.idempotency.insert({
        client,
        route: name,
        keyHash,
        bodyHash,
        status: answer.status,
        answer: JSON.stringify(shown),
        ...(answer.location !== undefined && { location: answer.location }),
        expiresAt: parts.now() + replayHours * 3_600_000,
      }),
    )
    return { answer, replayed: false }
  })()
  running.set(lock, work)
  try {
    return await work
  } finally {
    running.delete(lock)
  }
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url')
}

/** A time in a body, in milliseconds. */
export function timeIn(value: unknown, pointer: string): number {
  const ms = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) throw invalid(pointer, 'Give a time as RFC 3339, e.g. 2030-01-31T12:00:00Z.')
  return ms
}
