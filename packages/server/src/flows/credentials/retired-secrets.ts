import type { ConnectionId } from '../../core/ids.ts'
import type { Secret } from '../../core/secret.ts'

interface Retired {
  readonly secrets: readonly Secret[]
  readonly until: number
}

const keptForMs = 60 * 60_000
/** Connections whose retired secrets are remembered. */
export const mostConnections = 5_000
/** Retired secrets of one connection. */
export const mostSecrets = 24
const none: readonly Secret[] = []

/** By process part, so that two servers in one process share nothing. */
const kept = new WeakMap<object, Map<ConnectionId, Retired>>()

/**
 * Remembers secrets that are no longer the current ones but may still be live or echoed: the tokens of the generation
 * before, what a token answer carried beside its tokens, codes and verifiers of a connect flow. They are masked in answers
 * like the current ones (P1).
 */
export function retireSecrets(of: object, connection: ConnectionId, secrets: readonly Secret[], now: number): void {
  const mine = kept.get(of) ?? new Map<ConnectionId, Retired>()
  kept.set(of, mine)
  const before = retiredSecrets(of, connection, now)
  mine.delete(connection)
  if (mine.size >= mostConnections) mine.delete(mine.keys().next().value!)
  const known = new Set(secrets.map(secret => secret.reveal()))
  const others = before.filter(secret => !known.has(secret.reveal()))
  mine.set(connection, { secrets: [...secrets, ...others].slice(0, mostSecrets), until: now + keptForMs })
}

/** The same list until something is added to it or its time is over. */
export function retiredSecrets(of: object, connection: ConnectionId, now: number): readonly Secret[] {
  const found = kept.get(of)?.get(connection)
  if (found === undefined) return none
  if (now < found.until) return found.secrets
  kept.get(of)?.delete(connection)
  return none
}

/** After a disconnect nothing of the connection stays in memory. */
export function forgetSecrets(of: object, connection: ConnectionId): void {
  kept.get(of)?.delete(connection)
}
