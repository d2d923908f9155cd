import type { Parts } from '../../parts.ts'
import type { CredentialParts } from '../credentials/renew-token.ts'

/** What brokering takes. */
export type BrokerParts = CredentialParts & Pick<Parts, 'store' | 'vault' | 'egress' | 'catalogue' | 'revocations'>
