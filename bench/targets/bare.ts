import { createServer } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { sayReady } from './say-ready.ts'

/**
 * The least that a pass-through in this runtime does: `http.createServer` in front, `Pool.dispatch` behind, headers copied
 * but for those of the connection. It knows nobody, forbids nothing and records nothing: what the broker adds is measured
 * against it.
 */

const pool = new Pool(process.argv[2]!, { connections: 256, pipelining: 1, allowH2: false })
const ofConnection = new Set(['connection', 'keep-alive', 'host', 'transfer-encoding', 'te', 'upgrade', 'expect'])

const kept = (raw: readonly string[]): string[] => {
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (!ofConnection.has(raw[i]!.toLowerCase())) headers.push(raw[i]!, raw[i + 1]!)
  }
  return headers
}

const server = createServer({ optimizeEmptyRequests: true, requestTimeout: 0 }, (request, response) => {
  const { headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const fail = () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  }
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onResponseStart(controller, status) {
      const raw = controller.rawHeaders as readonly (Buffer | string)[]
      response.writeHead(status, kept(raw.map(part => (typeof part === 'string' ? part : part.toString('latin1')))))
      response.on('drain', () => controller.resume())
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('the client has left'))
      })
    },
    onResponseData(controller, data) {
      if (!response.write(data)) controller.pause()
    },
    onResponseEnd() {
      response.end()
    },
    onResponseError: fail,
  }
  pool.dispatch(
    {
      method: request.method as Dispatcher.HttpMethod,
      path: request.url!,
      headers: kept(request.rawHeaders),
      body: hasBody ? request : null,
    },
    handler,
  )
})
server.listen(0, '127.0.0.1', () =>
  sayReady({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }),
)
