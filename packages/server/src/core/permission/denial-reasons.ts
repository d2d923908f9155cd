import type { ErrorCode, Reason } from '@valetkey/contract/errors'
import { lookAlike } from '../catalogue/match-operation.ts'
import type { Operation } from '../catalogue/provider.ts'
import type { ResolvedProvider } from '../catalogue/resolved-provider.ts'
import type { Connection } from '../connection.ts'
import type { Grant } from '../grant.ts'
import type { Called, Payment, Question } from './decide.ts'
import { type GraphqlCalled, graphqlPlace } from './graphql-call.ts'
import { whyNotMet } from './meets-resources.ts'
import { covers } from './permission.ts'

/** One reason against a call, with what would mend it. */
export function reason(code: ErrorCode, detail: string, fix: string): Reason {
  return { code, detail, fix }
}

/** What the state of the connection says against any call. */
export function reasonsOfState(connection: Connection, provider: ResolvedProvider): Reason[] {
  const why = connection.reason === undefined ? '' : ` (${connection.reason})`
  const { name } = provider.entry
  const reasons: Reason[] = []
  switch (connection.status) {
    case 'pending':
      reasons.push(
        reason(
          'connection_required',
          `The ${name} account is not connected yet.`,
          'Ask its owner to finish connecting it.',
        ),
      )
      break
    case 'needs_reauth':
      reasons.push(
        reason(
          'needs_reauth',
          `The ${name} account has to be connected again${why}.`,
          'Ask its owner to connect it again.',
        ),
      )
      break
    case 'error':
    case 'disabled':
      reasons.push(
        reason(
          'conflict',
          `The connection is ${connection.status}${why}.`,
          'Ask the operator to look at the connection.',
        ),
      )
      break
    case 'active':
    case 'revoked':
      break
  }
  return reasons
}

/** That no grant lives. */
export function grantRequired({ caller, connection }: Question): Reason {
  const isAlone = caller.user === undefined && connection?.user !== undefined
  return isAlone
    ? reason(
        'grant_required',
        'A token without a user uses this connection only under a grant marked unattended, and there is none.',
        'Use the token of a task for its owner, or ask the owner for a grant with unattended: true.',
      )
    : reason(
        'grant_required',
        'This agent has no live grant on this connection.',
        'Ask the owner of the connection for a grant.',
      )
}

const endWords: Readonly<Record<NonNullable<Grant['endedReason']>, string>> = {
  expired: 'its time is over',
  idle: 'it was not used for too long',
  budget: 'its calls are used up',
  task_ended: 'its task has ended',
  revoked: 'it was ended by hand',
  connection_ended: 'the connection was ended',
  user_deleted: 'its user was deleted',
  agent_deleted: 'its agent was deleted',
}

/** That the one which would have covered the call has ended. */
export function grantExpired(why: NonNullable<Grant['endedReason']>): Reason {
  return reason(
    'grant_expired',
    `The grant has ended: ${endWords[why]}.`,
    'Ask the owner of the connection for a new grant.',
  )
}

/** Why no live grant covers the call. */
export function notPermitted(question: Question, called: Called, host: string, payment: Payment | undefined): Reason {
  const { ceiling, table, method, path } = question
  const { operation } = called
  if (called.graphql !== undefined && payment?.found === undefined) {
    return notPermittedGraphql(called.graphql, table.provider, ceiling)
  }
  if (payment?.found !== undefined) {
    const { detail, fix } = whyNotMet(payment.narrowed, payment.found, called.operationId)
    return reason('operation_not_permitted', detail, fix)
  }
  if (operation === undefined) {
    const alike = lookAlike(table, method, host, path)
    if (graphqlPlace(question.provider.entry, host, path) !== undefined) {
      return reason(
        'operation_not_permitted',
        'This path looks like the GraphQL endpoint in another spelling.',
        `Spell it as ${question.provider.entry.api.graphql?.path}.`,
      )
    }
    if (alike !== undefined) {
      return reason(
        'operation_not_permitted',
        `This path looks like ${alike.id} in another spelling.`,
        `Spell it as ${alike.routes[0]?.pattern ?? alike.id}.`,
      )
    }
    return reason(
      'operation_not_permitted',
      'This call is not catalogued, and no "paths" rule of one grant within the ceiling of the agent opens it.',
      'Ask the owner for a grant whose "paths" names this method and path.',
    )
  }
  if (ceiling !== undefined && !ceiling.some(permission => covers(permission, operation))) {
    return reason(
      'operation_not_permitted',
      `${operation.id} lies above the ceiling of this agent.`,
      'Ask the operator to raise the ceiling.',
    )
  }
  return reason(
    'operation_not_permitted',
    `No single grant of this agent permits ${operation.id}.`,
    `Ask the owner for a grant with ${permissionFor(operation)}.`,
  )
}

function notPermittedGraphql(called: GraphqlCalled, provider: string, ceiling: Question['ceiling']): Reason {
  const { reading, operations, unknown } = called
  if (reading.kind !== 'read') {
    const detail = reading.kind === 'refused' ? reading.why : 'What the GraphQL document does is not read yet.'
    return reason('operation_not_permitted', detail, 'Send one plain operation in one request.')
  }
  if (unknown.length > 0) {
    return reason(
      'operation_not_permitted',
      `These fields of Mutation are not catalogued: ${unknown.slice(0, 5).join(', ').slice(0, 200)}.`,
      'Leave them out: mutations that are not catalogued are not brokered.',
    )
  }
  const wanted =
    reading.call.kind === 'query' ? [`${provider}:graphql:fetch`] : [...new Set(operations.map(permissionFor))]
  const above = ceiling !== undefined ? ' and is within the ceiling of the agent' : ''
  return reason(
    'operation_not_permitted',
    `No single grant of this agent permits all that the GraphQL document does${above}.`,
    `Ask the owner for a grant with ${wanted.join(', ')}.`,
  )
}

/** What a grant would have to say. */
function permissionFor({ id, resourceType, action }: Operation): string {
  return action === 'share' || action === 'credential' ? id : `${id.split('.', 1)[0]}:${resourceType}:${action}`
}

/** What the connection lacks at the provider. */
export function scopesReason(scopes: readonly string[]): Reason {
  const list = scopes.join(', ')
  return reason(
    'missing_scopes',
    `The connection lacks scopes at the provider: ${list}.`,
    `Ask the owner to connect again with ${list}.`,
  )
}

/** That the host is none of the entry. */
export function hostReason({ provider }: Question): Reason {
  const hosts = provider.origins.map(origin => origin.host)
  const fix = hosts.length === 0 ? 'Ask the operator to name its origins.' : `Use one of: ${hosts.join(', ')}.`
  return reason('host_not_allowed', 'This host is not one that the connection may reach.', fix)
}
