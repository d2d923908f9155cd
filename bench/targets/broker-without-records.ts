import { readConfig } from '../../packages/server/src/config.ts'
import { createLog } from '../../packages/server/src/log.ts'
import { openServer } from '../../packages/server/src/process/open-server.ts'
import { sayReady } from './say-ready.ts'

/**
 * The broker with an audit log that forgets, to tell what records cost. There is no such switch in the product: here, and
 * only here, the store of a system that is already built is given another `record`.
 */

const config = readConfig({ data: process.argv[2]!, port: '0', serves: true }, process.env)
const log = createLog(line => process.stderr.write(line), Date.now, 'warn')
const system = await openServer(config, process.env, log)
Object.assign(system.parts.store, { record: async () => 'recorded' })
const port = await system.http.listen(config.host, 0)
const url = `http://127.0.0.1:${port}`
system.setUrl(url)
system.parts.egress.deny(config.host, port)
sayReady({ url })
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void system.close(0).then(() => process.exit(0)))
