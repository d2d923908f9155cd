import { existsSync, readdirSync } from 'node:fs'
import type { Config } from '../config.ts'
import { lockFolder } from '../engines/store/folder-lock.ts'
import { readRootKey } from '../engines/vault/root-key-file.ts'
import type { Log } from '../log.ts'
import { makeNodeId, openSystem, type System } from '../system.ts'
import { checkKeyIsOutside, makeFolder, recallFolder, rememberFolder, StartFault } from './data-folder.ts'

/**
 * A server over a data folder, listening to nobody yet. Says in one line what is wrong: no `init` yet, no key, the wrong
 * key, a key inside the folder, a second opener, a database that is not migrated.
 */
export async function openServer(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  log: Log,
): Promise<System> {
  refuseDebugger(config, environment)
  const known = recallFolder(config.dataFolder)
  const reference = config.rootKey ?? known?.rootKey
  if (known === undefined) {
    if (config.databaseUrl === undefined)
      throw new StartFault(`${config.dataFolder} is not initialised. Run: valetkey init --data ${config.dataFolder}`)
    if (existsSync(config.dataFolder) && readdirSync(config.dataFolder).length > 0)
      throw new StartFault(
        `${config.dataFolder} is not empty and was not made by init. Give an empty --data folder to a further node.`,
      )
  }
  if (reference === undefined)
    throw new StartFault('No root key, no start. Set VALETKEY_ROOT_KEY=file:/path to the key that init made.')
  checkKeyIsOutside(reference, config.dataFolder, config.dev)
  const rootKey = await readRootKey(reference, { allowEnvironment: config.dev, environment })
  if (config.dev) log.warn('--dev is on: the root key may lie in the data folder or the environment')
  const nodeId = known?.nodeId ?? makeNodeId()
  if (known === undefined) {
    makeFolder(config.dataFolder)
    rememberFolder(config.dataFolder, { rootKey: reference, nodeId })
  }
  // The embedded database locks its folder itself; on PostgreSQL two processes on one folder would share a node's name.
  const lock = config.databaseUrl === undefined ? undefined : lockFolder(config.dataFolder)
  try {
    const system = await openSystem({ config, rootKey, nodeId }, { log })
    try {
      for (const tenant of await system.parts.store.locator.tenants()) await system.parts.vault.checkKeys(tenant.id)
    } catch (thrown) {
      await system.close(0)
      throw thrown
    }
    if (lock === undefined) return system
    return {
      ...system,
      async close(graceMs) {
        await system.close(graceMs)
        lock.release()
      },
    }
  } catch (thrown) {
    lock?.release()
    throw thrown
  }
}

/** A debugger reads every secret in memory. */
function refuseDebugger(config: Config, environment: Readonly<Record<string, string | undefined>>): void {
  if (config.dev) return
  const flags = [...process.execArgv, ...(environment.NODE_OPTIONS ?? '').split(/\s+/)]
  if (flags.some(flag => flag.startsWith('--inspect') || flag.startsWith('--debug')))
    throw new StartFault('Valetkey does not start with a debugger open (--inspect). Remove it, or start with --dev.')
}
