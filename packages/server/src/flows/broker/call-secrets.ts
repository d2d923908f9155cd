import { Failure } from '../../core/failure.ts'
import type { Secret } from '../../core/secret.ts'
import type { OpenCredential } from '../credentials/open-credential.ts'
import { usableToken } from '../credentials/usable-token.ts'
import type { CallFacts } from './call-facts.ts'
import type { LiveSecrets } from './live-secrets.ts'
import type { BrokerContext } from './send-call.ts'

/** The credential of the call, opened, with the search for its secrets. */
export async function liveToken(parts: BrokerContext, facts: CallFacts): Promise<LiveSecrets> {
  const { credential } = facts
  if (credential === undefined) {
    throw new Failure('needs_reauth', 'The connection holds no credential. Ask its owner to connect it again.')
  }
  let opened: LiveSecrets | undefined
  const usable = await usableToken(parts, facts, credential, async () => {
    opened = await parts.broker.secrets.open(facts)
    return opened.credential
  })
  if (opened !== undefined) return opened
  const old = await parts.broker.secrets.open(facts)
  return parts.broker.secrets.around(facts, usable, secretsOf(old.credential))
}

/** What has to be looked for in answers as long as it may be live. */
export function secretsOf({ accessToken, refreshToken }: OpenCredential): readonly Secret[] {
  return refreshToken === undefined ? [accessToken] : [accessToken, refreshToken]
}
