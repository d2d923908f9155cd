import type { Parts } from '../../parts.ts'
import type { CredentialParts } from '../credentials/renewal.ts'

/** What brokering takes. */
export type BrokerParts = CredentialParts & Pick<Parts, 'store' | 'vault' | 'egress' | 'catalogue' | 'revocations'>
