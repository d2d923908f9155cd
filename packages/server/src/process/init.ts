import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { type Config, readConfig } from '../config.ts'
import { makeId, type TenantId } from '../core/ids.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { InitOptions } from '../edges/cli/local-commands.ts'
import { openStore } from '../engines/store/open-store.ts'
import { createRootKeyFile, readRootKey } from '../engines/vault/root-key-file.ts'
import { createOperator } from '../flows/agents/create-client.ts'
import { eventOf } from '../flows/audit/event.ts'
import { makeNodeId, openStoreAndVault } from '../system.ts'
import {
  checkKeyIsOutside,
  defaultRootKeyPath,
  isInitialised,
  makeFolder,
  rememberFolder,
  StartFault,
} from './data-folder.ts'

/**
 * `valetkey init`: data folder, root key outside it, database, first tenant, operator. Everything is made in a folder
 * beside the final one and moved there at the end, so that an interrupted `init` leaves nothing that looks like a
 * beginning. A second `init` changes nothing.
 */
export async function init(options: InitOptions, io: CliIo): Promise<number> {
  const config = readConfig({ data: options.data }, io.env)
  const folder = resolve(options.data)
  if (isInitialised(folder))
    throw new StartFault(
      `${folder} was initialised before; nothing was changed. Start the server with: valetkey serve --data ${options.data}`,
    )
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new StartFault(`${folder} is not empty. Give an empty or new folder to --data.`)
  const now = Date.now()
  const tenant = makeId('ten', now, randomBytes(10))
  const keyPath = resolve(options.rootKey ?? defaultRootKeyPath(tenant, io.env))
  checkKeyIsOutside(`file:${keyPath}`, folder, false)

  makeFolder(dirname(folder))
  const made = mkdtempSync(join(dirname(folder), `.${basename(folder)}-init-`))
  let rootKey: string | undefined
  try {
    if (config.databaseUrl !== undefined) await refuseSecondTenant(config)
    rootKey = await createRootKeyFile(keyPath)
    const nodeId = makeNodeId()
    const said = await fill({ ...config, dataFolder: made }, rootKey, nodeId, tenant)
    rememberFolder(made, { rootKey, nodeId })
    if (existsSync(folder)) rmdirSync(folder)
    renameSync(made, folder)
    makeFolder(folder)
    // What `serve` needs beyond this is compiled now, so that already its first start is quick and small.
    await import('./serve.ts')
    report(options, io, { data: folder, root_key: rootKey, tenant, ...said })
    return 0
  } catch (thrown) {
    rmSync(made, { recursive: true, force: true })
    // The key was made for a database that does not exist: nothing can have been sealed by it.
    if (rootKey !== undefined) rmSync(keyPath, { force: true })
    throw thrown
  }
}

interface Said {
  readonly operator: { readonly client_id: string; readonly client_secret: string }
  readonly owner_code: string
}

async function fill(config: Config, rootKey: string, nodeId: string, tenant: TenantId): Promise<Said> {
  const random = (bytes: number) => randomBytes(bytes)
  const { store, vault } = await openStoreAndVault(config, await readRootKey(rootKey), nodeId, Date.now, random, false)
  try {
    const parts = { store, vault, now: Date.now, random }
    await store.createTenant({ id: tenant, name: 'default', createdAt: Date.now() })
    await vault.createTenantKey(tenant)
    const { client, secret } = await createOperator(parts, tenant, 'The operator of this server')
    const ownerCode = randomBytes(15).toString('base64url')
    await store.change(tenant, async rows => {
      await rows.authorizations.upsert({
        model: 'OwnerCode',
        idHash: createHash('sha256').update(ownerCode).digest('base64url'),
        payload: '{}',
      })
      await rows.audit.append([eventOf(parts, undefined, { type: 'tenant.created', outcome: 'ok' })])
    })
    return { operator: { client_id: client.id, client_secret: secret.reveal() }, owner_code: ownerCode }
  } finally {
    await store.close()
  }
}

async function refuseSecondTenant(config: Config): Promise<void> {
  const store = await openStore({ kind: 'postgres', url: config.databaseUrl!, nodeId: 'init', forServing: true })
  try {
    if ((await store.locator.firstTenant()) !== undefined)
      throw new StartFault(
        'The database of DATABASE_URL has its first tenant already; nothing was changed. For a further node, start `valetkey serve` with an empty --data and VALETKEY_ROOT_KEY; for a further tenant, `valetkey tenants create NAME`.',
      )
  } finally {
    await store.close()
  }
}

function report(
  options: InitOptions,
  io: CliIo,
  said: Said & { readonly data: string; readonly root_key: string; readonly tenant: string },
): void {
  if (options.json) {
    io.stdout.write(`${JSON.stringify(said)}\n`)
    return
  }
  io.stdout.write(`Valetkey is ready to serve from ${said.data}

  tenant           ${said.tenant}
  root key         ${said.root_key}
  operator id      ${said.operator.client_id}
  operator secret  ${said.operator.client_secret}
  owner code       ${said.owner_code}

Secret and code are shown this once. Keep the root key safe and apart from backups of the data folder:
without it nobody can open the vault again.

Next: valetkey serve --data ${options.data}
`)
}
