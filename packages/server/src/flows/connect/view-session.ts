import type { ConnectSession } from '../../core/connect-session.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { loadClient } from '../agents/load-client.ts'
import { providerOf } from '../credentials/provider-of.ts'
import { entryOf } from '../integrations/save-integration.ts'
import { ConnectRefusal } from './connect-refusal.ts'

/** What the connect page says, in plain words, by resource type. */
export interface SessionView {
  readonly session: ConnectSession
  readonly provider: string
  /** Who asked the person to connect. */
  readonly askedBy: string
  readonly forUser: string
  readonly repairs: boolean
  readonly access: readonly {
    readonly words: string
    readonly read: boolean
    readonly change: boolean
    readonly scopes: readonly string[]
  }[]
  /** Scopes that no resource type explains; named as they are, for nothing may be hidden. */
  readonly otherScopes: readonly { readonly name: string; readonly description?: string }[]
  /** Where the form may lead: the provider's authorization origin and `return_to`'s. */
  readonly formTargets: readonly string[]
}

/** Everything that the page of an open session shows. */
export async function viewSession(
  parts: Pick<Parts, 'store' | 'vault' | 'catalogue' | 'oauth' | 'egress' | 'now' | 'log'>,
  tenant: TenantId,
  session: ConnectSession,
): Promise<SessionView> {
  const { integration, user } = await parts.store.asTenant(tenant, async rows => ({
    integration: await rows.integrations.get(session.integration),
    user: await rows.users.get(session.user),
  }))
  const creator = await loadClient(parts, tenant, session.createdBy)
  if (integration === undefined || user === undefined || creator === undefined) throw new ConnectRefusal('link_unknown')
  const entry = entryOf(parts, integration)
  const access = new Map<string, { words: string; read: boolean; change: boolean; scopes: string[] }>()
  const otherScopes: { name: string; description?: string }[] = []
  for (const name of session.scopes) {
    const fact = entry.scopes.find(scope => scope.name === name)
    const type = fact === undefined ? undefined : entry.resourceTypes[fact.resourceType]
    if (fact === undefined || type === undefined) {
      otherScopes.push({ name, ...(identityWords[name] !== undefined && { description: identityWords[name] }) })
      continue
    }
    const row = access.get(fact.resourceType) ?? { words: type.words, read: false, change: false, scopes: [] }
    // Whoever may change something can see it, too: vendors' write scopes nearly always read.
    row.read = true
    if (fact.access !== 'read') row.change = true
    row.scopes.push(fact.description)
    access.set(fact.resourceType, row)
  }
  const provider = await providerOf(parts, integration).catch(() => undefined)
  const targets = [provider?.authorizationEndpoint, session.returnTo]
    .filter(url => url !== undefined)
    .map(url => new URL(url).origin)
  return {
    session,
    provider: entry.name,
    askedBy: creator.name,
    forUser: user.displayName ?? user.externalId,
    repairs: session.repairs !== undefined,
    access: [...access.values()],
    otherScopes,
    formTargets: [...new Set(targets)],
  }
}

/** The scopes of OpenID Connect Core section 5.4 and 11, in words. */
const identityWords: Readonly<Record<string, string>> = {
  openid: 'see which account this is',
  email: 'see the e-mail address of the account',
  profile: 'see the name and picture of the account',
  offline_access: 'stay connected while you are away',
}
