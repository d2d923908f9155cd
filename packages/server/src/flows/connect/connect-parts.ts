import type { Parts } from '../../parts.ts'

/** What the steps of a connect flow use: everything that a token request needs, and where its end is written. */
export type ConnectParts = Pick<
  Parts,
  | 'store'
  | 'vault'
  | 'catalogue'
  | 'now'
  | 'monotonic'
  | 'random'
  | 'oauth'
  | 'egress'
  | 'log'
  | 'nodeId'
  | 'revocations'
  | 'config'
>
