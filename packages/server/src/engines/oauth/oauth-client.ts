import { randomBytes } from 'node:crypto'
import { account } from './account.ts'
import { authorizationUrl } from './authorization-url.ts'
import { clientCredentials } from './client-credentials.ts'
import { discover } from './discover.ts'
import type { OAuthClient } from './oauth.ts'
import { redeemCode } from './redeem-code.ts'
import { refresh } from './refresh.ts'
import { revoke } from './revoke.ts'

/**
 * The OAuth client. `random` and `clock` are the process's own unless given; the clock is asked only where a request
 * brings no `now` (the assertion of a revocation).
 */
export function createOAuthClient(
  given: { readonly random?: (bytes: number) => Uint8Array; readonly clock?: () => number } = {},
): OAuthClient {
  const world = { random: given.random ?? randomBytes, clock: given.clock ?? Date.now }
  return {
    authorizationUrl,
    redeemCode: (send, request) => redeemCode(send, request, world),
    refresh: (send, request) => refresh(send, request, world),
    clientCredentials: (send, request) => clientCredentials(send, request, world),
    revoke: (send, request) => revoke(send, request, world),
    account,
    discover,
  }
}
