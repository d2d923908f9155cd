import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import axios from 'axios'
import express from 'express'
import { sayReady } from './say-ready.ts'

/**
 * What peers do, at its plainest: Express takes the request and its body, axios sends it on (kept-alive connections, answers
 * streamed). Real ones look up a connection, a token and a rule in a database for every call beside that; this one does not.
 */

const upstream = process.argv[2]!
const agents = {
  httpAgent: new Agent({ keepAlive: true, maxSockets: 256 }),
  httpsAgent: new TlsAgent({ keepAlive: true, maxSockets: 256 }),
}
const app = express()
app.use(express.raw({ type: () => true, limit: '1gb' }))
app.use(async (request, response) => {
  const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
  try {
    const answer = await axios.request({
      ...agents,
      method: request.method,
      url: upstream + request.url,
      headers: headers as Record<string, string>,
      ...(Buffer.isBuffer(request.body) && { data: request.body }),
      responseType: 'stream',
      decompress: false,
      maxRedirects: 0,
      validateStatus: () => true,
    })
    response.status(answer.status)
    for (const [name, value] of Object.entries(answer.headers)) {
      if (name !== 'connection' && name !== 'keep-alive' && name !== 'transfer-encoding')
        response.setHeader(name, value)
    }
    answer.data.pipe(response)
    response.once('close', () => answer.data.destroy())
  } catch {
    response.sendStatus(502)
  }
})
const server = app.listen(0, '127.0.0.1', () =>
  sayReady({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }),
)
