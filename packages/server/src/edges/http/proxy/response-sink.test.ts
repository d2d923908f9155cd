import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { createServer as createTlsServer, request as requestTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { selfSigned } from '../../../engines/egress/self-signed.test-data.ts'
import { responseSink } from './response-sink.ts'

it.each(['TCP', 'TLS', 'a socket file'] as const)('an answer that is cut breaks off over %s', async kind => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-sink-'))
  const server: Server = kind === 'TLS' ? createTlsServer(selfSigned) : createServer()
  let cutIt = () => {}
  server.on('request', (_request, response) => {
    const sink = responseSink(response, { requestId: 'req_test' })
    sink.head(200, [])
    sink.write(Buffer.from('half'))
    cutIt = () => sink.cut()
  })
  const socketPath = join(folder, 'socket')
  if (kind === 'a socket file') await new Promise<void>(resolve => server.listen(socketPath, resolve))
  else await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const broken = new Promise((resolve, reject) => {
      const place =
        kind === 'a socket file' ? { socketPath } : { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
      const sent = (kind === 'TLS' ? requestTls : request)({ ...place, rejectUnauthorized: false }, response => {
        response.on('data', () => cutIt()).on('error', resolve)
        response.on('end', () => reject(new Error('it ended as if it were whole')))
      })
      sent.on('error', resolve).end()
    })
    expect(await broken).toMatchObject({ code: 'ECONNRESET' })
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    rmSync(folder, { recursive: true, force: true })
  }
})
