import { resolveProvider } from '../../core/catalogue/resolve-provider.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Parts } from '../../parts.ts'
import { missingOf } from '../integrations/missing-of.ts'

/** One thing that was looked at. `next` says what to do about a fault. */
export interface Finding {
  readonly id: 'settings' | 'key' | 'database' | 'chain' | 'clock' | 'egress' | 'integrations'
  readonly ok: boolean
  readonly detail: string
  readonly next?: string
}

type Needs = Pick<Parts, 'config' | 'store' | 'vault' | 'catalogue' | 'egress' | 'now'>

/** Looks at everything that the server stands on; every fault has its next step. Nothing is changed or sent. */
export async function examine(parts: Needs): Promise<readonly Finding[]> {
  const tenants = await parts.store.locator.tenants()
  const findings: Finding[] = [settings(parts)]
  findings.push(
    await key(
      parts,
      tenants.map(tenant => tenant.id),
    ),
  )
  findings.push(await database(parts))
  for (const tenant of tenants) findings.push(await chain(parts, tenant.id, tenant.slug))
  findings.push(
    await clock(
      parts,
      tenants.map(tenant => tenant.id),
    ),
  )
  for (const tenant of tenants) findings.push(...(await integrations(parts, tenant.id)))
  if (!findings.some(finding => finding.id === 'egress'))
    findings.push({ id: 'egress', ok: true, detail: 'Every destination of every integration may be reached.' })
  return findings
}

function settings({ config }: Needs): Finding {
  const weak = [
    ...(config.dev ? ['--dev is on: weaker choices are allowed'] : []),
    ...(config.url.startsWith('http:') ? ['the URL is http: fine on loopback only'] : []),
  ]
  const detail = `${config.url || 'no URL yet (serve makes one)'}, ${config.databaseUrl === undefined ? 'embedded database' : 'PostgreSQL'}, data in ${config.dataFolder}`
  return { id: 'settings', ok: true, detail: weak.length === 0 ? detail : `${detail}; ${weak.join('; ')}` }
}

async function key(parts: Needs, tenants: readonly TenantId[]): Promise<Finding> {
  try {
    for (const tenant of tenants) await parts.vault.checkKeys(tenant)
    return {
      id: 'key',
      ok: true,
      detail: `The root key ${parts.vault.rootKeyId} opens the keys of ${tenants.length} tenant(s).`,
    }
  } catch (thrown) {
    return {
      id: 'key',
      ok: false,
      detail: (thrown as Error).message,
      next: 'Set VALETKEY_ROOT_KEY to the key that this database was made with. Without it the vault cannot be opened by anyone.',
    }
  }
}

async function database(parts: Needs): Promise<Finding> {
  const health = await parts.store.health()
  if (health.schemaVersion !== health.expectedSchemaVersion)
    return {
      id: 'database',
      ok: false,
      detail: `The schema has version ${health.schemaVersion}; this program needs ${health.expectedSchemaVersion}.`,
      next:
        health.schemaVersion < health.expectedSchemaVersion
          ? 'Run `valetkey migrate`.'
          : 'Run the newer Valetkey that made it.',
    }
  if (health.mayBypassRowSecurity || !health.rowSecurityProven)
    return {
      id: 'database',
      ok: false,
      detail: 'Row security between tenants is not proven for this role.',
      next: 'Serve with a role that is neither superuser nor BYPASSRLS.',
    }
  return {
    id: 'database',
    ok: true,
    detail: `${parts.store.kind === 'sqlite' ? 'SQLite' : 'PostgreSQL'}, schema version ${health.schemaVersion}.`,
  }
}

async function chain(parts: Needs, tenant: TenantId, slug: string | undefined): Promise<Finding> {
  const verdict = await parts.store.asTenant(tenant, rows => rows.audit.verify())
  const whose = slug === undefined ? '' : ` of tenant ${slug}`
  return verdict.ok
    ? {
        id: 'chain',
        ok: true,
        detail: `The audit log${whose} holds: ${verdict.events} events. Without an outside witness the operator vouches for its end.`,
      }
    : {
        id: 'chain',
        ok: false,
        detail: `The audit log${whose} does not hold from event ${verdict.event} on: ${verdict.reason}.`,
        next: 'Somebody changed the database by other means. Keep a copy of it, and compare with your last backup.',
      }
}

const clockToleranceMs = 5_000

async function clock(parts: Needs, tenants: readonly TenantId[]): Promise<Finding> {
  const now = parts.now()
  let newest = 0
  for (const tenant of tenants) {
    const page = await parts.store.asTenant(tenant, rows => rows.audit.query({ limit: 1 }))
    newest = Math.max(newest, page.rows[0] === undefined ? 0 : Date.parse(page.rows[0].time))
  }
  return newest > now + clockToleranceMs
    ? {
        id: 'clock',
        ok: false,
        detail: `The clock says ${new Date(now).toISOString()}, but the log has an event of ${new Date(newest).toISOString()}.`,
        next: 'Set the clock (chrony or systemd-timesyncd): tokens and grants are judged by it.',
      }
    : { id: 'clock', ok: true, detail: new Date(now).toISOString() }
}

async function integrations(parts: Needs, tenant: TenantId): Promise<Finding[]> {
  const findings: Finding[] = []
  let cursor: string | undefined
  do {
    const page = await parts.store.asTenant(tenant, rows =>
      rows.integrations.list({ limit: 200, ...(cursor !== undefined && { cursor }) }),
    )
    for (const integration of page.rows) {
      const missing = missingOf(parts, integration)
      if (missing.length > 0)
        findings.push({
          id: 'integrations',
          ok: false,
          detail: `${integration.name} (${integration.id}) is incomplete: ${missing.join(', ')}.`,
          next: `Complete it: PATCH /v1/integrations/${integration.id}.`,
        })
      const entry = parts.catalogue.get(integration.provider)
      if (entry === undefined) continue
      const resolved = resolveProvider(entry, integration)
      if (resolved.destinationDigest !== integration.destinationDigest)
        findings.push({
          id: 'integrations',
          ok: false,
          detail: `${integration.name} (${integration.id}) now has other destinations than those its secret was given for: its entry in the catalogue changed, or its row was altered.`,
          next: `If the destinations are right, give the secret again: PATCH /v1/integrations/${integration.id} with client_secret. Its connections are then made anew.`,
        })
      const places = [
        resolved.authorizationEndpoint,
        resolved.tokenEndpoint,
        resolved.revocationEndpoint,
        resolved.accountUrl,
        ...resolved.origins.map(origin => origin.target),
      ]
      for (const origin of new Set(places.filter(url => url !== undefined).map(url => new URL(url).origin))) {
        const answer = await parts.egress.mayReach(tenant, new URL(origin))
        if (!answer.ok)
          findings.push({
            id: 'egress',
            ok: false,
            detail: `${integration.name} (${integration.id}) needs ${origin}, which may not be reached: ${answer.why}`,
            next: `If that is right, list it: VALETKEY_EGRESS_ALLOW=${new URL(origin).host}.`,
          })
      }
    }
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return findings
}
