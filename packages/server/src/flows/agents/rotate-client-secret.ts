import type { Caller } from '../../core/caller.ts'
import type { Client } from '../../core/client.ts'
import { Failure } from '../../core/failure.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'
import { addSecret, makeSecret } from './client-secret.ts'
import { type CreatedClient, subjectOf } from './create-client.ts'
import { genuineClient, sealClient } from './load-client.ts'
import { readClient } from './read-clients.ts'

/** How long the secret before works on, unless said otherwise. */
const oldSecretLivesSeconds = 24 * 3600

/** Gives a client a new secret. The present one works for a day, or as long as said; at most two live (row 80). */
export async function rotateClientSecret(
  parts: Pick<Parts, 'store' | 'vault' | 'now' | 'random' | 'log'>,
  caller: Caller,
  kind: Client['kind'],
  id: string,
  oldLivesSeconds = oldSecretLivesSeconds,
): Promise<Required<CreatedClient>> {
  const known = await readClient(parts, caller, kind, id)
  // An altered row must not be made good by sealing it anew.
  if ((await genuineClient(parts, caller.tenant, known)) === undefined)
    throw new Failure('conflict', 'The row of this client was altered outside Valetkey. Delete it and make a new one.')
  if (known.authenticationMethod === 'private_key_jwt')
    throw new Failure('conflict', 'This client authenticates with its own keys and has no secret.')
  const secret = makeSecret(parts.random)
  const now = parts.now()
  const client = await sealClient(parts, {
    ...known,
    secretHash: addSecret(known.secretHash, secret, now + oldLivesSeconds * 1000),
    updatedAt: now,
  })
  await parts.store.change(caller.tenant, async rows => {
    const current = await rows.clients.get(client.id)
    if (current?.mac !== known.mac)
      throw new Failure('conflict', 'This client is being changed at the same time. Try again.')
    await rows.clients.update(client)
    await rows.audit.append([
      eventOf(parts, caller, {
        ...subjectOf(client),
        type: 'key.rotated',
        outcome: 'ok',
        facts: { key: 'client_secret', client: client.id, old_lives_seconds: oldLivesSeconds },
      }),
    ])
  })
  return { client, secret }
}
