import { readConfig } from '../../packages/server/src/config.ts'
import { match } from '../../packages/server/src/core/catalogue/match-operation.ts'
import { createAuthenticate } from '../../packages/server/src/edges/http/authenticate.ts'
import { accessEvent } from '../../packages/server/src/flows/broker/access-event.ts'
import { createBroker } from '../../packages/server/src/flows/broker/broker.ts'
import { CallCut } from '../../packages/server/src/flows/broker/call-cut.ts'
import { openCall } from '../../packages/server/src/flows/broker/open-call.ts'
import { Upload } from '../../packages/server/src/flows/broker/upload.ts'
import { createLog } from '../../packages/server/src/log.ts'
import { openServer } from '../../packages/server/src/process/open-server.ts'
import { populate } from '../broker.ts'
import { listPath } from '../workloads.ts'
import { sayReady } from './say-ready.ts'

/**
 * What our rules cost, in this process and without a socket: the real parts of a real server on a real database, asked the
 * way the proxy asks them. Arguments: folder, the operator's pair, the upstream's URLs, milliseconds for each figure.
 */

const [folder, id, secret, url, tlsUrl, ms] = process.argv.slice(2) as [string, string, string, string, string, string]
const config = readConfig({ data: folder, port: '0', serves: true }, process.env)
const system = await openServer(
  config,
  process.env,
  createLog(line => process.stderr.write(line), Date.now, 'error'),
)
const { parts } = system
const port = await system.http.listen(config.host, 0)
const base = `http://127.0.0.1:${port}`
system.setUrl(base)
const office = await populate(base, { client_id: id, client_secret: secret }, { url, tlsUrl })
const authorization = [await office.authorization()]
const tenant = { id: (await parts.store.locator.firstTenant())! }
const authenticate = createAuthenticate(parts)
const broker = createBroker(parts)
const cut = new CallCut()
const upload = new Upload(undefined)
const call = {
  method: 'GET',
  connection: office.connections.plain,
  path: listPath,
  query: '',
  rawHeaders: ['Host', '127.0.0.1', 'Authorization', authorization[0]!, 'Accept', 'application/json'],
  takeBody() {},
  reached: { baseUrl: base },
}

async function decideOnce(): Promise<void> {
  const caller = await authenticate(tenant, { authorization, requestId: 'req_bench', takesTokenScheme: true })
  if (caller.kind !== 'agent') throw new Error('the token of the bench is no agent token')
  const notes = { subject: { method: 'GET', host: '', pathTemplate: '' }, reasons: [] }
  const open = await openCall(parts, broker.facts, broker.streams, caller, call, { upload, cut, notes })
  accessEvent(parts, caller, open.subject, 'access.allowed', 'allowed')
  open.leave()
}

const hubspot = parts.catalogue.table('hubspot')!
let found = 0
const matchOnce = () => {
  if (match(hubspot, 'GET', 'api.hubapi.com', listPath) !== undefined) found++
}

const decideUs = await microseconds(decideOnce)
const matchUs = await microseconds(matchOnce)
if (found === 0) throw new Error('the list operation of the bench is not in the catalogue any more')
for (let more = 1; more < 100; more++) {
  await office.grant(more % 2 === 0 ? ['hubspot:deals:*', 'hubspot:contacts:*'] : ['hubspot:companies:list'])
}
const manyUs = await microseconds(decideOnce)
sayReady({ decideUs: String(decideUs), manyUs: String(manyUs), matchUs: String(matchUs) })
broker.close()
await system.close(0)

/** CPU of this thread for one call, over the second half of the time; the first half warms up. */
async function microseconds(work: () => unknown): Promise<number> {
  await repeat(work, Number(ms) / 2)
  // Some kernels count CPU in ticks of milliseconds: one long stretch is exact where short slices are not.
  const before = process.threadCpuUsage()
  const calls = await repeat(work, Number(ms) / 2)
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / calls
}

async function repeat(work: () => unknown, forMs: number): Promise<number> {
  const until = performance.now() + forMs
  let calls = 0
  while (performance.now() < until) {
    for (let i = 0; i < 500; i++) {
      const pending = work()
      if (pending instanceof Promise) await pending
    }
    calls += 500
  }
  return calls
}
