import { rmSync } from 'node:fs'
import { socketFetch } from '@valetkey/sdk/node-socket'
import { readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { OpenFolder } from '../edges/cli/local-commands.ts'
import { createLog } from '../log.ts'
import { socketPath } from './data-folder.ts'
import { openServer } from './open-server.ts'
import { configuredUrl } from './serving-url.ts'

/** Opens a data folder that no server holds, and answers on its socket file for the one command that asked. */
export async function openFolder(
  options: { readonly data: string; readonly config?: string },
  io: CliIo,
): Promise<OpenFolder> {
  const config = readConfig({ data: options.data, config: options.config, serves: true }, io.env)
  const log = createLog(line => io.stderr.write(line), Date.now, 'error')
  const system = await openServer(config, io.env, log)
  const socket = socketPath(config.dataFolder)
  rmSync(socket, { force: true })
  await system.http.listenLocally(socket)
  if (config.url === '') system.setUrl(configuredUrl(config))
  return {
    fetch: socketFetch(socket),
    async close() {
      rmSync(socket, { force: true })
      await system.close(1_000)
    },
  }
}
