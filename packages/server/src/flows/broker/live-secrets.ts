import type { ConnectionId } from '../../core/ids.ts'
import { makeNeedles, type Needles } from '../../core/scrub/needles.ts'
import type { Secret } from '../../core/secret.ts'
import { openClient } from '../credentials/open-client.ts'
import { type OpenCredential, openCredential } from '../credentials/open-credential.ts'
import { retiredSecrets, retireSecrets } from '../credentials/retired-secrets.ts'
import type { BrokerParts } from './broker-parts.ts'
import type { CallFacts } from './call-facts.ts'
import { secretsOf } from './call-secrets.ts'

/** A credential in clear with the search for every live secret of its connection. */
export interface LiveSecrets {
  readonly credential: OpenCredential
  readonly needles: Needles
}

export interface SecretsMemory {
  /** Opens the row of the facts, or takes what was opened of the very same row within the last minute. */
  open(facts: CallFacts): Promise<LiveSecrets>
  /** For a credential that is newer than the row of the facts; `also` are further secrets to look for. */
  around(facts: CallFacts, credential: OpenCredential, also?: readonly Secret[]): Promise<LiveSecrets>
  close(): void
}

const keptForMs = 60_000
/** Opened credentials that are held. */
export const mostEntries = 2_000

/**
 * Opened credentials of connections in use, in memory only and for a minute: opening one and preparing its search for
 * every call would cost more than all our rules. What ends or changes is forgotten at once.
 */
export function createSecretsMemory(parts: BrokerParts): SecretsMemory {
  const kept = new Map<
    ConnectionId,
    {
      readonly sealed: string
      readonly destination: string
      readonly at: number
      readonly retired: readonly Secret[]
      readonly secrets: Promise<LiveSecrets>
    }
  >()
  /** What was opened may now be the generation before: also where another process renewed it, and this one only hears. */
  const forget = (id: ConnectionId): void => {
    const known = kept.get(id)
    kept.delete(id)
    known?.secrets.then(
      ({ credential }) => retireSecrets(parts.store, id, secretsOf(credential), parts.now()),
      () => undefined,
    )
  }
  const stop = parts.revocations.listen(ended => {
    if (ended.kind === 'integration') kept.clear()
    if (ended.kind === 'connection') kept.delete(ended.id as ConnectionId)
    if (ended.kind === 'changed' && ended.connection !== undefined) forget(ended.connection as ConnectionId)
  })
  const timer = setInterval(() => {
    const now = parts.monotonic()
    for (const [id, { at }] of kept) if (now - at >= keptForMs) kept.delete(id)
  }, keptForMs / 2).unref()

  const around: SecretsMemory['around'] = async (facts, credential, also = []) => {
    const { connection, integration } = facts
    const client = integration.clientId === undefined ? undefined : await openClient(parts, integration)
    const secrets = [
      credential.accessToken,
      credential.refreshToken,
      client?.clientSecret,
      client?.privateKey,
      ...retiredSecrets(parts.store, connection.id, parts.now()),
      ...also,
    ]
    return { credential, needles: makeNeedles(secrets.filter(secret => secret !== undefined)) }
  }

  return {
    open(facts) {
      const { connection, integration, credential: row } = facts
      if (row === undefined) throw new TypeError('there is no credential to open')
      const known = kept.get(connection.id)
      const now = parts.monotonic()
      const retired = retiredSecrets(parts.store, connection.id, parts.now())
      if (
        known !== undefined &&
        known.sealed === row.sealedAccessToken &&
        known.destination === integration.destinationDigest &&
        known.retired === retired &&
        now - known.at < keptForMs
      ) {
        return known.secrets
      }
      const secrets = openCredential(parts, connection, integration, row).then(credential => around(facts, credential))
      if (known !== undefined && known.sealed !== row.sealedAccessToken) forget(connection.id)
      kept.delete(connection.id)
      if (kept.size >= mostEntries) kept.delete(kept.keys().next().value!)
      const destination = integration.destinationDigest
      const entry = { sealed: row.sealedAccessToken, destination, at: now, retired, secrets }
      kept.set(connection.id, entry)
      secrets.catch(() => {
        if (kept.get(connection.id) === entry) kept.delete(connection.id)
      })
      return secrets
    },
    around,
    close() {
      stop()
      clearInterval(timer)
      kept.clear()
    },
  }
}
