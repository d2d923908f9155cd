import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../../core/connection.ts'
import { openRig, type Rig } from './test-rig.ts'

let rig: Rig
let alice: Connection
let token: string
beforeAll(async () => {
  rig = await openRig()
  alice = await rig.connect('alice')
  await rig.grant(alice, { permissions: ['acme:items:*', 'acme:items:write'] })
  token = (await rig.task('alice')).token
})
afterAll(() => rig.close())

/** Writes bytes as they are and gives what comes back until the server closes or falls silent. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(rig.port, '127.0.0.1')
    let text = ''
    socket.setTimeout(400, () => socket.destroy())
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
    socket.write(bytes)
  })
}

const head = (line: string, ...fields: string[]) =>
  `${[line, `Authorization: Bearer ${token}`, ...fields].join('\r\n')}\r\n\r\n`
const reached = () => rig.provider.requests.to('api').length

describe('requests as raw bytes (rows 22, 98)', () => {
  it("go to the provider's host, whatever host they name", async () => {
    const answer = await raw(
      head(
        `GET /proxy/${alice.id}/api/items HTTP/1.1`,
        'Host: evil.example',
        'X-Forwarded-Host: evil.example',
        'Connection: close',
      ),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200/)
    const sent = rig.provider.requests.at(-1)!
    expect(sent.headers.host).toBe(new URL(rig.provider.url).host)
    expect(JSON.stringify(sent.rawHeaders)).not.toContain('evil')
  })

  it('lose the headers that belong to the connection, also those that Connection names', async () => {
    await raw(
      head(
        `GET /proxy/${alice.id}/api/items HTTP/1.1`,
        'Host: x',
        'Connection: close, Acme-Version',
        'Acme-Version: 9',
        'Keep-Alive: timeout=5',
        'TE: trailers',
        'Proxy-Authorization: Basic eA==',
      ),
    )
    const { headers } = rig.provider.requests.at(-1)!
    for (const name of ['acme-version', 'te', 'proxy-authorization']) expect(headers).not.toHaveProperty(name)
  })

  it('are no way to another host by an absolute URL, an authority or a line break in the path', async () => {
    const before = reached()
    for (const target of [
      `http://evil.example/proxy/${alice.id}/api/items`,
      `/proxy/${alice.id}@evil.example/api/items`,
      `//proxy/${alice.id}/api/items`,
      `/proxy/${alice.id}/api/items%0d%0aHost:%20evil.example`,
      `/proxy/${alice.id}/~evil.example:80/api/items`,
      `/proxy/${alice.id}/~api.acme.example@evil.example/api/items`,
      `/proxy/${alice.id}/api/items#frag`,
    ]) {
      const answer = await raw(head(`GET ${target} HTTP/1.1`, 'Host: x', 'Connection: close'))
      expect([target, answer.slice(9, 10)]).toEqual([target, '4'])
    }
    expect(reached()).toBe(before)
  })

  it('cannot smuggle a second one past us', async () => {
    const before = reached()
    const inner = `GET /proxy/${alice.id}/api/items HTTP/1.1\r\nHost: x\r\n\r\n`
    for (const fields of [
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['Content-Length: 5', 'Content-Length: 6'],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding : chunked'],
    ]) {
      const answer = await raw(head(`POST /proxy/${alice.id}/api/items HTTP/1.1`, 'Host: x', ...fields) + inner)
      expect([fields, answer.slice(9, 12)]).toEqual([fields, '400'])
    }
    expect(reached()).toBe(before)
  })

  it('are refused with too much of a head, and with none at all', async () => {
    const before = reached()
    expect(
      await raw(head(`GET /proxy/${alice.id}/api/items HTTP/1.1`, 'Host: x', `X-A: ${'a'.repeat(40_000)}`)),
    ).toMatch(/^HTTP\/1\.1 4/)
    expect(await raw(head(`GET /proxy/${alice.id}/api/items HTTP/1.1`))).toMatch(/^HTTP\/1\.1 400/)
    expect(reached()).toBe(before)
  })

  it('are refused with an upgrade, with one named and with one meant', async () => {
    const line = `GET /proxy/${alice.id}/api/items HTTP/1.1`
    expect(await raw(head(line, 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket'))).toMatch(/^HTTP\/1\.1 501/)
    expect(await raw(head(line, 'Host: x', 'Upgrade: h2c', 'Connection: close'))).toMatch(/^HTTP\/1\.1 501/)
    expect(await raw(head('CONNECT evil.example:443 HTTP/1.1', 'Host: x'))).toMatch(/^HTTP\/1\.1 405/)
  })
})

describe('a place that the door out does not open', () => {
  it('is told as such, and nothing is sent (row 21)', async () => {
    const before = reached()
    rig.parts.egress.deny('127.0.0.1', Number(new URL(rig.provider.url).port))
    const answer = await rig.ask(`/proxy/${alice.id}/api/items`, { token })
    expect([answer.status, answer.json.code]).toEqual([403, 'host_not_allowed'])
    expect(reached()).toBe(before)
    expect((await rig.events('access.completed'))[0]).toMatchObject({
      outcome: 'error',
      facts: { failure: 'not_allowed' },
    })
  })
})
