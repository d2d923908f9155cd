import { rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { type Config, readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { ServeOptions } from '../edges/cli/local-commands.ts'
import { createLog } from '../log.ts'
import type { System } from '../system.ts'
import { collectWhenIdle } from './collect-when-idle.ts'
import { StartFault, socketPath } from './data-folder.ts'
import { openServer } from './open-server.ts'
import { configuredUrl } from './serving-url.ts'

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
      serves: true,
      listens: true,
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
  // Now, for a process that is killed keeps nothing: the next start finds every source compiled.
  flushCompileCache()
  collectWhenIdle()
  if (config.tls !== undefined) process.on('SIGHUP', () => system.http.renewCertificate())
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
    const url = config.url === '' ? configuredUrl({ ...config, port }) : config.url
    system.setUrl(url)
    system.parts.egress.deny(config.host, port)
    const socket = socketPath(config.dataFolder)
    // Left over from a process that was killed: the folder's lock is ours, so nobody answers there.
    rmSync(socket, { force: true })
    await system.http.listenLocally(socket)
    return url
  } catch (thrown) {
    await system.close(0)
    throw listenFault(thrown, config) ?? thrown
  }
}

/** Why nobody can listen there, in words and with what to do. */
function listenFault(thrown: unknown, { host, port }: Config): StartFault | undefined {
  const { code, port: failed } = thrown as { readonly code?: unknown; readonly port?: unknown }
  // The socket file has faults of its own, which name its path.
  if (code === 'EADDRINUSE' && failed === port)
    return new StartFault(
      `Port ${port} is in use on ${host}: another program listens there. Choose another with --port (0 picks one), or stop that program.`,
      thrown,
    )
  if (code === 'EACCES' && failed === port)
    return new StartFault(
      `Port ${port} is not for this user. Choose one above 1023 with --port, and put a reverse proxy in front.`,
      thrown,
    )
  if (code === 'EADDRNOTAVAIL')
    return new StartFault(`${host} is no address of this machine. Choose another with --host.`, thrown)
  return undefined
}
