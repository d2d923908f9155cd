import { randomBytes } from 'node:crypto'
import { readConfig } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { makeId } from '../core/ids.ts'
import { baseUrlOf } from '../core/tenant.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { TenantsCreateOptions } from '../edges/cli/local-commands.ts'
import { readRootKey } from '../engines/vault/root-key-file.ts'
import { createOperator } from '../flows/agents/create-client.ts'
import { eventOf } from '../flows/audit/event.ts'
import { openStoreAndVault } from '../system.ts'
import { recallFolder, StartFault } from './data-folder.ts'
import { servingUrl } from './serving-url.ts'
import { slugOf } from './tenant-slug.ts'

/** `valetkey tenants create NAME`, on PostgreSQL: a tenant with a base URL of its own and its first operator. */
export async function createTenant(options: TenantsCreateOptions, io: CliIo): Promise<number> {
  const config = readConfig({ data: options.data, config: options.config }, io.env)
  if (config.databaseUrl === undefined)
    throw new StartFault('The embedded database holds one tenant. Set DATABASE_URL to PostgreSQL for more.')
  const slug = slugOf(options.name)
  const reference = config.rootKey ?? recallFolder(config.dataFolder)?.rootKey
  if (reference === undefined)
    throw new StartFault('No root key: give --data with the folder that init made, or set VALETKEY_ROOT_KEY.')
  const random = (bytes: number) => randomBytes(bytes)
  const now = Date.now()
  // A node name of its own: this process may run beside a server on the same folder.
  const { store, vault } = await openStoreAndVault(
    config,
    await readRootKey(reference),
    `tenants-${random(5).toString('hex')}`,
    Date.now,
    random,
  )
  try {
    if ((await store.locator.firstTenant()) === undefined)
      throw new StartFault('The database has no first tenant yet. Run `valetkey init` first.')
    if ((await store.locator.tenantBySlug(slug)) !== undefined)
      throw new StartFault(`There is a tenant "${slug}" already; nothing was changed.`)
    const id = makeId('ten', now, random(10))
    const parts = { store, vault, now: Date.now, random }
    await vault.createTenantKey(id)
    const { client, secret } = await createOperator(parts, id, 'The operator of this server')
    await store.change(id, rows =>
      rows.audit.append([eventOf(parts, undefined, { type: 'tenant.created', outcome: 'ok' })]),
    )
    const url = await servingUrl(config)
    // Last, for this makes it a tenant: what was interrupted before left rows that nobody finds, and can be run again.
    try {
      await store.createTenant({ id, slug, name: options.name, createdAt: now })
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.code !== 'conflict') throw thrown
      throw new StartFault(`There is a tenant "${slug}" already; nothing was changed.`, thrown)
    }
    const said = {
      tenant: id,
      base_url: baseUrlOf({ slug }, url),
      operator: { client_id: client.id, client_secret: secret.reveal() },
    }
    io.stdout.write(
      options.json
        ? `${JSON.stringify(said)}\n`
        : `Tenant ${slug} is there.\n\n  tenant           ${id}\n  base URL         ${said.base_url}\n  operator id      ${client.id}\n  operator secret  ${said.operator.client_secret}\n\nThe secret is shown this once.\n`,
    )
    return 0
  } finally {
    await store.close()
  }
}
