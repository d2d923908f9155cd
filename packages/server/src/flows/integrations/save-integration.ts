import type { FieldFault } from '@valetkey/contract/errors'
import type { Caller } from '../../core/caller.ts'
import type { ProviderEntry } from '../../core/catalogue/provider.ts'
import { checkOverrides, resolveProvider } from '../../core/catalogue/resolve-provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Failure, invalid, notFound } from '../../core/failure.ts'
import { type IntegrationId, makeId } from '../../core/ids.ts'
import type { Integration, Overrides } from '../../core/integration.ts'
import type { Sealed, Secret } from '../../core/secret.ts'
import type { Parts } from '../../parts.ts'
import { eventOf } from '../audit/event.ts'

type Needs = Pick<Parts, 'store' | 'vault' | 'catalogue' | 'now' | 'random' | 'revocations'>

export interface IntegrationInput {
  readonly name?: string
  readonly clientId?: string
  readonly clientSecret?: Secret
  readonly privateKey?: Secret
  readonly scopes?: readonly string[]
  readonly parameters?: Readonly<Record<string, string>>
  readonly overrides?: Overrides
}

/** Makes a tenant's OAuth client at a provider. Opens no connection to anyone. */
export async function addIntegration(
  parts: Needs,
  caller: Caller,
  provider: string,
  input: IntegrationInput,
): Promise<Integration> {
  const entry = parts.catalogue.get(provider)
  if (entry === undefined)
    throw invalid('/provider', `No provider is called "${provider}". GET /v1/providers lists them.`)
  if (entry.status === 'unconfirmed')
    throw invalid('/provider', `The entry of ${entry.name} is not confirmed yet, so it is switched off.`)
  if (input.overrides !== undefined || input.parameters !== undefined) requireAdmin(caller)
  const resolved = judge(entry, input)
  const now = parts.now()
  const id = makeId('int', now, parts.random(10))
  const sealed = await sealSecrets(parts, caller, id, resolved, input)
  const integration: Integration = {
    id,
    tenant: caller.tenant,
    provider,
    name: input.name ?? entry.name,
    ...(input.clientId !== undefined && { clientId: input.clientId }),
    ...sealed,
    scopes: input.scopes ?? [],
    parameters: input.parameters ?? {},
    overrides: input.overrides ?? {},
    destinationDigest: resolved.destinationDigest,
    createdAt: now,
    updatedAt: now,
  }
  await parts.store.change(caller.tenant, async rows => {
    await rows.integrations.insert(integration)
    await rows.audit.append([
      eventOf(parts, caller, { type: 'integration.created', outcome: 'ok', integration: id, provider }),
    ])
  })
  return integration
}

/**
 * Changes an integration. Whoever may repoint a host collects every token: any change of overrides or parameters needs
 * `integrations:admin` and the client's secret again, and existing connections have to be made anew (DESIGN, P7).
 */
export async function changeIntegration(
  parts: Needs,
  caller: Caller,
  id: IntegrationId,
  input: IntegrationInput,
): Promise<Integration> {
  const known = await parts.store.asTenant(caller.tenant, rows => rows.integrations.get(id))
  if (known === undefined) throw notFound()
  const entry = entryOf(parts, known)
  const merged = { overrides: input.overrides ?? known.overrides, parameters: input.parameters ?? known.parameters }
  if (input.overrides !== undefined || input.parameters !== undefined) requireAdmin(caller)
  const resolved = judge(entry, { ...input, ...merged })
  const moved = resolved.destinationDigest !== known.destinationDigest
  const hasSecret = known.sealedClientSecret !== undefined || known.sealedPrivateKey !== undefined
  const destinationsGiven =
    JSON.stringify([merged.overrides, merged.parameters]) !== JSON.stringify([known.overrides, known.parameters])
  if ((moved || destinationsGiven) && hasSecret && input.clientSecret === undefined && input.privateKey === undefined) {
    const pointer = known.sealedPrivateKey !== undefined ? '/private_key' : '/client_secret'
    throw invalid(
      pointer,
      'A change of where credentials go needs the client secret (or private key) again. Send it in the same request.',
    )
  }
  const sealed = await sealSecrets(parts, caller, id, resolved, input)
  const now = parts.now()
  const next: Integration = {
    ...known,
    ...(input.name !== undefined && { name: input.name }),
    ...(input.clientId !== undefined && { clientId: input.clientId }),
    ...(input.scopes !== undefined && { scopes: input.scopes }),
    ...merged,
    ...sealed,
    destinationDigest: resolved.destinationDigest,
    updatedAt: now,
  }
  await parts.store.change(caller.tenant, async rows => {
    await rows.integrations.update(next)
    const events = [
      eventOf(parts, caller, {
        type: 'integration.updated',
        outcome: 'ok',
        integration: id,
        provider: known.provider,
        facts: { members: Object.keys(input), destination_changed: moved },
      }),
    ]
    if (moved || destinationsGiven)
      for (const connection of await rows.connections.markIntegration(id, 'needs_reauth', 'destination_changed', now))
        events.push(
          eventOf(parts, caller, {
            type: 'connection.needs_reauth',
            outcome: 'ok',
            connection,
            integration: id,
            provider: known.provider,
            facts: { reason: 'destination_changed' },
          }),
        )
    await rows.audit.append(events)
  })
  parts.revocations.tell({ kind: 'integration', tenant: caller.tenant, id })
  return next
}

function requireAdmin(caller: Caller): void {
  if (caller.kind !== 'operator' || !caller.scopes.has('integrations:admin'))
    throw new Failure(
      'insufficient_scope',
      'Overrides and parameters decide where credentials go: only an operator with integrations:admin may set them.',
      {
        members: { required_scopes: ['integrations:admin'] },
      },
    )
}

function judge(entry: ProviderEntry, input: IntegrationInput): ResolvedProvider {
  const faults: FieldFault[] = [...checkOverrides(entry, input.overrides ?? {})]
  for (const name of Object.keys(input.parameters ?? {}))
    faults.push({ pointer: `/parameters/${name}`, detail: `${entry.name} takes no parameters.` })
  if (input.clientSecret !== undefined && input.privateKey !== undefined)
    faults.push({ pointer: '/private_key', detail: 'Give a client secret or a private key, not both.' })
  if (faults.length > 0)
    throw new Failure('validation_failed', faults.map(fault => `${fault.pointer}: ${fault.detail}`).join(' '), {
      errors: faults,
    })
  return resolveProvider(entry, { parameters: input.parameters ?? {}, overrides: input.overrides ?? {} })
}

async function sealSecrets(
  parts: Needs,
  caller: Caller,
  id: IntegrationId,
  resolved: ResolvedProvider,
  input: IntegrationInput,
): Promise<{ readonly sealedClientSecret?: Sealed; readonly sealedPrivateKey?: Sealed }> {
  const context = { tenant: caller.tenant, integration: id, destination: resolved.destinationDigest }
  return {
    ...(input.clientSecret !== undefined && {
      sealedClientSecret: await parts.vault.seal({ ...context, field: 'client_secret' }, input.clientSecret),
    }),
    ...(input.privateKey !== undefined && {
      sealedPrivateKey: await parts.vault.seal({ ...context, field: 'private_key' }, input.privateKey),
    }),
  }
}

/** The catalogue entry of an integration; a stored provider that the catalogue lost is our fault. */
export function entryOf(parts: Pick<Parts, 'catalogue'>, integration: Pick<Integration, 'provider'>): ProviderEntry {
  const entry = parts.catalogue.get(integration.provider)
  if (entry === undefined)
    throw new Failure('internal', `The catalogue no longer has the provider ${integration.provider}.`)
  return entry
}
