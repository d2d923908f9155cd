import { invalid } from '../../../core/failure.ts'
import { type DecisionQuestion, type Explained, explainDecision } from '../../../flows/broker/explain-decision.ts'
import { object, ok, type Route, text } from './route.ts'

function showDecision(explained: Explained): Record<string, unknown> {
  return {
    allowed: explained.allowed,
    operation: explained.operation ?? null,
    resource_type: explained.resourceType ?? null,
    action: explained.action ?? null,
    ...(explained.grant !== undefined && { grant: explained.grant }),
    reasons: explained.reasons,
  }
}

export const decisionsRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/decisions',
    summary: 'Ask whether a call would be allowed, with every reason and what would mend it.',
    scopes: ['connections:use'],
    clients: ['agent'],
    body: object(
      {
        connection: text(),
        method: text(20),
        path: { type: 'string', minLength: 1, maxLength: 8_192, pattern: '^/' },
        body: {},
        operation: text(),
        input: { type: 'object' },
      },
      ['connection'],
    ),
    async handle(call) {
      const { caller } = call
      if (caller.kind !== 'agent') throw new TypeError('decisions are for agents')
      return ok(showDecision(await explainDecision(call.parts, caller, questionOf(call.body))))
    },
  },
]

function questionOf(body: Readonly<Record<string, unknown>>): DecisionQuestion {
  const { connection, method, path, operation, input } = body as {
    readonly connection: string
    readonly method?: string
    readonly path?: string
    readonly operation?: string
    readonly input?: Readonly<Record<string, unknown>>
  }
  if (operation !== undefined) {
    if (method !== undefined || path !== undefined || 'body' in body) {
      throw invalid('/operation', 'Give an operation with its input, or a method and path with a body; not both.')
    }
    return { connection, operation, ...(input !== undefined && { input }) }
  }
  if (input !== undefined) throw invalid('/input', 'An input goes with an operation; a body goes with method and path.')
  if (method === undefined) throw invalid('/method', 'Give a method and a path, or an operation.')
  if (path === undefined) throw invalid('/path', 'Give a method and a path, or an operation.')
  return { connection, method, path, ...('body' in body && { body: body.body }) }
}
