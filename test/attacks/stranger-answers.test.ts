import { createServer, type Server } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, idOf, type Reply, type Rig, startRig } from '../rig.ts'

const clientSecret = 'another-secret-0123456789'

/** A provider that answers with whatever bytes it likes, made of the very token that it was sent. */
interface Hostile {
  readonly server: Server
  readonly origin: string
  answer: (token: string) => string | Buffer
  /** What it was sent last. */
  token: string
}

async function startHostile(): Promise<Hostile> {
  const server = createServer(socket => {
    let asked = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      asked += chunk.toString('latin1')
      if (!asked.includes('\r\n\r\n')) return
      hostile.token = /^authorization: Bearer (.*)\r$/im.exec(asked)![1]!
      socket.end(hostile.answer(hostile.token))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const hostile: Hostile = { server, origin: `http://127.0.0.1:${port}`, answer: () => '', token: '' }
  return hostile
}

describe('a provider that answers with what it should not', () => {
  let rig: Rig
  let hostile: Hostile
  let connection: string
  let token: string
  beforeAll(async () => {
    rig = await startRig()
    hostile = await startHostile()
    const made = await rig.provider({ canary: 'CANARY-' })
    const integration = idOf(
      await rig.asOperator('POST', '/v1/integrations', {
        provider: 'generic-oidc',
        client_id: 'another-client',
        client_secret: clientSecret,
        overrides: {
          issuer: made.provider.issuer,
          origins: { 'https://api.example': hostile.origin, [made.provider.issuer]: made.provider.issuer },
        },
      }),
    )
    made.provider.addClient({
      id: 'another-client',
      secret: clientSecret,
      redirectUris: [`${rig.url}/callback/${integration}`],
    })
    await rig.user('alice')
    const agent = await rig.agent()
    connection = await rig.connect({ user: 'alice', integration, provider: made.provider })
    await rig.grant({
      agent: agent.id,
      connection,
      paths: everyPath.map(rule => ({ ...rule, host: 'api.example' })),
    })
    token = (await rig.task(agent.id, 'alice')).token
  })
  afterAll(async () => {
    hostile.server.close()
    await rig.close()
  })

  const ask = (answer: Hostile['answer']): Promise<Reply> => {
    hostile.answer = answer
    return rig.call('GET', `/proxy/${connection}/~api.example/x`, undefined, { token })
  }
  const head = (...lines: string[]) => `HTTP/1.1 200 OK\r\n${lines.map(line => `${line}\r\n`).join('')}`

  it('is not heard in a body that is encoded for its transfer: the token would go past the search (P1)', async () => {
    const chunked = (bytes: Buffer) =>
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])
    for (const coding of ['gzip, chunked', 'gzip', 'x-gzip, chunked']) {
      const answer = await ask(secret => {
        const body = gzipSync(secret)
        return Buffer.concat([
          Buffer.from(`${head(`Transfer-Encoding: ${coding}`)}\r\n`),
          coding.includes('chunked') ? chunked(body) : body,
        ])
      })
      expect([coding, answer.status, answer.body?.code]).toEqual([coding, 502, 'provider_answer_refused'])
    }
  })

  it('shows no secret in the name of a header or of a trailer (P1)', async () => {
    // Its access tokens hold characters that no name can; the secret of our client there does not.
    const answer = await ask(
      () =>
        `${head('Transfer-Encoding: chunked', `X-Is-${clientSecret}: 1`, `${clientSecret}: 1`)}\r\n2\r\nok\r\n0\r\n${clientSecret}: 1\r\n\r\n`,
    )
    expect([answer.status, answer.text]).toEqual([200, 'ok'])
    expect(JSON.stringify([...answer.headers])).not.toContain(clientSecret)
    const echoes = await rig.asOperator('GET', '/v1/audit/events?type=secret_echo')
    expect(echoes.body.data[0]).toMatchObject({ connection, facts: { places: 3 } })
  })

  it('is kept by no shared cache, for the next who asks may be another person', async () => {
    const answer = await ask(
      () =>
        `${head('Cache-Control: public, max-age=600', 'cache-control: s-maxage=600', 'CDN-Cache-Control: max-age=600', 'Surrogate-Control: max-age=600', 'X-Accel-Expires: 600', 'Content-Length: 2')}\r\nok`,
    )
    expect(answer.headers.get('cache-control')).toBe('max-age=600, private')
    for (const name of ['cdn-cache-control', 'surrogate-control', 'x-accel-expires'])
      expect([name, answer.headers.get(name)]).toEqual([name, null])
  })

  it('is no page of our origin, where the cookies of connect flows live (row 105)', async () => {
    const page = '<script>alert(document.domain)</script>'
    const answer = await ask(
      () =>
        `${head('Content-Type: text/html', 'X-Content-Type-Options: none', 'Content-Security-Policy: script-src *', 'Set-Cookie: __Host-vk_connect=mine', 'Service-Worker-Allowed: /', 'Access-Control-Allow-Origin: *', `Content-Length: ${page.length}`)}\r\n${page}`,
    )
    expect([answer.status, answer.text]).toEqual([200, page])
    expect(answer.headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    for (const name of ['set-cookie', 'service-worker-allowed', 'access-control-allow-origin'])
      expect([name, answer.headers.get(name)]).toEqual([name, null])
  })

  it('cannot make a reader wait for, or take, the next answer on a connection', async () => {
    const answer = await ask(() => 'HTTP/1.1 204 No Content\r\nContent-Length: 30\r\n\r\n')
    expect([answer.status, answer.headers.get('content-length')]).toEqual([204, null])
    for (const framing of [
      'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      'Content-Length: 4\r\nContent-Length: 2\r\n\r\nok',
      'Content-Length: 2, 2\r\n\r\nok',
      'X-A: b\r\n c: d\r\nContent-Length: 2\r\n\r\nok',
    ]) {
      const refused = await ask(() => `HTTP/1.1 200 OK\r\n${framing}`)
      expect([framing, refused.status]).toEqual([framing, 502])
    }
  })

  it('before the answer proper says nothing to the agent: 1xx answers and a switch of protocols (row 98)', async () => {
    const early = await ask(
      secret => `HTTP/1.1 103 Early Hints\r\nX-T: ${secret}\r\n\r\n${head('Content-Length: 2')}\r\nok`,
    )
    expect([early.status, early.text, early.headers.get('x-t')]).toEqual([200, 'ok', null])
    const switched = await ask(
      secret => `HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n${secret}`,
    )
    expect(switched.status).toBe(502)
    expect(switched.text).not.toContain(hostile.token)
  })
})
