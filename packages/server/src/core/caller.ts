import type { AgentId, AppId, OperatorId, TaskId, TenantId, UserId } from './ids.ts'

/** Who asks: made by `authenticate` from a verified token, and by nobody else. */
export type Caller = AgentCaller | AppCaller | OperatorCaller

interface Token {
  readonly tenant: TenantId
  /** Our own scopes in the token. */
  readonly scopes: ReadonlySet<string>
  readonly tokenId: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly requestId: string
  readonly ip?: string
}

export interface AgentCaller extends Token {
  readonly kind: 'agent'
  readonly agent: AgentId
  /** Set when the token has a user; it then reaches that user's connections only. */
  readonly user?: UserId
  readonly task?: TaskId
}

export interface AppCaller extends Token {
  readonly kind: 'app'
  readonly app: AppId
}

export interface OperatorCaller extends Token {
  readonly kind: 'operator'
  readonly operator: OperatorId
}

/** The client behind a caller, as audit events name it. */
export function clientOf(caller: Caller): AgentId | AppId | OperatorId {
  switch (caller.kind) {
    case 'agent':
      return caller.agent
    case 'app':
      return caller.app
    case 'operator':
      return caller.operator
  }
}
