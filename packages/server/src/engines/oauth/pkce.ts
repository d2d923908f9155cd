import { createHash } from 'node:crypto'
import { Secret } from '../../core/secret.ts'

/** A PKCE verifier (RFC 7636 section 4.1) out of 32 random bytes given by the caller. */
export function makeCodeVerifier(random: Uint8Array): Secret {
  if (random.length !== 32) throw new TypeError('makeCodeVerifier wants 32 random bytes')
  return new Secret(Buffer.from(random).toString('base64url'))
}

/** The S256 challenge of a verifier (RFC 7636 section 4.2). There is no `plain` here. */
export function codeChallengeS256(verifier: Secret): string {
  return createHash('sha256').update(verifier.reveal(), 'ascii').digest('base64url')
}
