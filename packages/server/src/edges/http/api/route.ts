import type { Caller } from '../../../core/caller.ts'
import type { Tenant } from '../../../core/tenant.ts'
import type { Parts } from '../../../parts.ts'

/** A JSON Schema (draft 7, as Fastify's validator takes it). */
export type Schema = Readonly<Record<string, unknown>>

/** What a handler of the API is given: parsed, authenticated, validated. */
export interface Call {
  readonly parts: Parts
  readonly caller: Caller
  readonly tenant: Pick<Tenant, 'id' | 'slug'>
  /** Base URL of the tenant, no trailing slash. */
  readonly baseUrl: string
  readonly requestId: string
  readonly ip?: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

export interface Answer {
  readonly status: 200 | 201 | 202
  readonly body: Readonly<Record<string, unknown>>
  readonly location?: string
}

/**
 * One route of the API as data: who may call it, what it takes, what it does. The server, the OpenAPI document and the
 * access tests are made from these rows (CONTRACT 4).
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With `{name}` parameters, under the tenant's base URL. */
  readonly path: string
  readonly summary: string
  /** Scopes of ours that the token must have, all of them. */
  readonly scopes: readonly string[]
  readonly clients: readonly Caller['kind'][]
  /** For agents, when they differ. */
  readonly agentScopes?: readonly string[]
  readonly query?: Readonly<Record<string, Schema>>
  readonly body?: Schema
  /** Creating POSTs take an `Idempotency-Key`; these members are secrets and are left out of a replay. */
  readonly idempotent?: { readonly secrets: readonly string[] }
  readonly handle: (call: Call) => Promise<Answer>
}

/** An object schema that refuses unknown members. */
export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', additionalProperties: false, properties, required }
}

export const text = (maxLength = 200): Schema => ({ type: 'string', minLength: 1, maxLength })
export const texts = (maxItems = 100, maxLength = 300): Schema => ({
  type: 'array',
  maxItems,
  uniqueItems: true,
  items: { type: 'string', minLength: 1, maxLength },
})
export const time: Schema = { type: 'string', format: 'date-time' }
export const count: Schema = { type: 'integer', minimum: 1, maximum: 1_000_000_000 }

/** A user in a body: `{external_id}` or `{id}`. */
export const userReference: Schema = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
  properties: { external_id: text(), id: { type: 'string', pattern: '^usr_[0-9a-z]{26}$' } },
}

export const pageQuery: Readonly<Record<string, Schema>> = {
  limit: { type: 'string', pattern: '^[0-9]{1,3}$' },
  cursor: { type: 'string', maxLength: 500 },
}

export const created = (location: string, body: Answer['body']): Answer => ({ status: 201, location, body })
export const ok = (body: Answer['body']): Answer => ({ status: 200, body })

/** RFC 3339 UTC. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
