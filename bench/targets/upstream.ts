import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { gzipPath, largePath, listPath, sizes, streamPath, uploadPath } from '../workloads.ts'
import { loopbackCertificate } from './loopback-certificate.ts'
import { sayReady } from './say-ready.ts'

/**
 * The provider of every target: as little work for each answer as can be, so that what is measured is the target. Beside
 * the answers of the bench it has what a connect flow asks for: a token endpoint and the account that a token is of.
 */

const json = (bytes: number) => {
  const rows = { results: [] as unknown[], filler: '' }
  for (let id = 1; JSON.stringify(rows).length + 180 < bytes; id++) {
    rows.results.push({
      id: String(id),
      properties: { email: `person-${id}@example.com`, firstname: 'Ada' },
      archived: false,
    })
  }
  rows.filler = 'x'.repeat(bytes - JSON.stringify(rows).length)
  return Buffer.from(JSON.stringify(rows))
}

function answer(body: Buffer, more = ''): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: ${body.length}\r\nDate: Mon, 05 Jan 2026 10:00:00 GMT\r\nCache-Control: private, max-age=0\r\nETag: "3e8-bench"\r\nVary: origin\r\nX-HubSpot-Correlation-Id: 0b8a7a6e-bench\r\n${more}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

const plain = json(sizes.gzip)
const answers = {
  list: answer(json(sizes.list)),
  large: answer(json(sizes.large)),
  upload: answer(json(sizes.list)),
  plain: answer(plain),
  gzip: answer(gzipSync(plain), 'Content-Encoding: gzip\r\n'),
  token: answer(
    Buffer.from(
      JSON.stringify({
        access_token: `bench-access-${'a1B2'.repeat(16)}`,
        refresh_token: `bench-refresh-${'c3D4'.repeat(8)}`,
        expires_in: 86_400,
        token_type: 'bearer',
      }),
    ),
  ),
  account: answer(Buffer.from(JSON.stringify({ hub_id: 7, user_id: 8, user: 'ada@example.com', hub_domain: 'bench' }))),
  none: Buffer.from('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'),
}
const chunk = Buffer.alloc(64 * 1_024, 0x78)

function serve(socket: Socket): void {
  let held: Buffer = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (data: Buffer) => {
    held = held.length === 0 ? data : Buffer.concat([held, data])
    for (;;) {
      const end = held.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = held.toString('latin1', 0, end)
      const bodyEnd = endOfBody(held, end + 4, head)
      if (bodyEnd === undefined) return
      held = held.subarray(bodyEnd)
      respond(socket, head)
    }
  })
}

/** Where the request ends; undefined while some of it is missing. */
function endOfBody(data: Buffer, start: number, head: string): number | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (length !== null) return data.length < start + Number(length[1]) ? undefined : start + Number(length[1])
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return start
  const last = data.indexOf('0\r\n\r\n', start)
  return last === -1 ? undefined : last + 5
}

function respond(socket: Socket, head: string): void {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/'))
  if (path === listPath) socket.write(answers.list)
  else if (path === largePath) socket.write(answers.large)
  else if (path === uploadPath) socket.write(answers.upload)
  else if (path === gzipPath) socket.write(/\r\naccept-encoding:[^\r]*gzip/i.test(head) ? answers.gzip : answers.plain)
  else if (path === streamPath) stream(socket, sizes.stream)
  else if (path.startsWith('/oauth/v1/token')) socket.write(answers.token)
  else if (path.startsWith('/oauth/v1/access-tokens')) socket.write(answers.account)
  else socket.write(answers.none)
}

function stream(socket: Socket, bytes: number): void {
  socket.write(
    `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\nDate: Mon, 05 Jan 2026 10:00:00 GMT\r\n\r\n`,
  )
  let left = bytes
  const more = () => {
    while (left > 0) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk
      left -= part.length
      if (!socket.write(part) && left > 0) {
        socket.once('drain', more)
        return
      }
    }
  }
  more()
}

const open = createServer(serve).listen(0, '127.0.0.1')
const tls = createTlsServer(loopbackCertificate, serve).listen(0, '127.0.0.1')
tls.on('tlsClientError', () => {})
const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port
await Promise.all([open, tls].map(server => new Promise<void>(resolve => server.once('listening', resolve))))
sayReady({ url: `http://127.0.0.1:${portOf(open)}`, tlsUrl: `https://127.0.0.1:${portOf(tls)}` })
