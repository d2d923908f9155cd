import { rmSync } from 'node:fs'
import { type Config, readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { ServeOptions } from '../edges/cli/local-commands.ts'
import { createLog } from '../log.ts'
import type { System } from '../system.ts'
import { socketPath } from './data-folder.ts'
import { openServer } from './open-server.ts'

const graceMs = 10_000

/** `valetkey serve`: listens, prints the ready line, and on SIGTERM finishes what is in flight. */
export async function serve(options: ServeOptions, io: CliIo): Promise<number> {
  const config = readConfig(
    {
      data: options.data,
      port: options.port?.toString(),
      host: options.host,
      config: options.config,
      dev: options.dev,
    },
    io.env,
  )
  const log = createLog(line => io.stderr.write(line), Date.now, config.log)
  const system = await openServer(config, io.env, log)
  // From here on an end is asked for by a signal; asked for twice, it does not wait.
  const asked = new Promise<string>(resolve => {
    process.on('SIGTERM', () => resolve('SIGTERM'))
    process.on('SIGINT', () => resolve('SIGINT'))
    io.signal.addEventListener('abort', () => resolve('SIGINT'))
  })
  const url = await listen(system, config)
  io.stdout.write(
    options.json
      ? `${JSON.stringify({ ready: true, url, pid: process.pid })}\n`
      : `valetkey ready ${url} pid ${process.pid}\n`,
  )
  log.info('ready', { url, store: system.parts.store.kind, node: system.parts.nodeId })
  const signal = await asked
  log.info('stopping; calls in flight may take 10 s to finish', { signal })
  rmSync(socketPath(config.dataFolder), { force: true })
  await system.close(graceMs)
  log.info('stopped')
  return 0
}

async function listen(system: System, config: Config): Promise<string> {
  try {
    const port = await system.http.listen(config.host, config.port)
    const host = config.host.includes(':') ? `[${config.host}]` : config.host
    const url = config.url === '' ? `http://${host}:${port}` : config.url
    system.setUrl(url)
    system.parts.egress.deny(config.host, port)
    const socket = socketPath(config.dataFolder)
    // Left over from a process that was killed: the folder's lock is ours, so nobody answers there.
    rmSync(socket, { force: true })
    await system.http.listenLocally(socket)
    return url
  } catch (thrown) {
    await system.close(0)
    throw thrown
  }
}
