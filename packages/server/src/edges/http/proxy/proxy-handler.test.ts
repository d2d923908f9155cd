import { createServer, type IncomingMessage, request as send } from 'node:http'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../../core/connection.ts'
import { type Answer, openRig, type Rig } from './test-rig.ts'

let rig: Rig
let alice: Connection
let bob: Connection
let token: string
beforeAll(async () => {
  rig = await openRig()
  alice = await rig.connect('alice')
  bob = await rig.connect('bob')
  await rig.grant(alice)
  await rig.grant(bob)
  token = (await rig.task('alice')).token
})
afterAll(() => rig.close())

const code = (answer: Answer) => answer.json?.code
const upstream = () => rig.provider.requests.filter(request => request.path.startsWith('/api/')).length

/** Whether a count that grew has stopped to grow. */
function hasStopped(count: () => number): () => boolean {
  let last = 0
  return () => {
    const before = last
    last = count()
    return last > 0 && last === before
  }
}

describe('a brokered call', () => {
  it('answers what the provider answers, and is on the record with who and what (P2)', async () => {
    const answer = await rig.ask(`/proxy/${alice.id}/api/items?limit=2`, { token })
    expect(answer.json).toMatchObject({ data: expect.any(Array) })
    expect(answer.status).toBe(200)
    const events = await rig.events()
    const allowed = events.find(event => event.id === answer.headers['valetkey-event'])
    expect(allowed).toMatchObject({
      type: 'access.allowed',
      user: alice.user,
      agent: rig.agent,
      connection: alice.id,
      provider: 'acme',
      operation: 'acme.items.list',
      resource_type: 'items',
      action: 'list',
      http: { method: 'GET', host: 'api.acme.example', path_template: '/api/items' },
    })
    const outcome = async () => (await rig.events('access.completed')).find(event => event.of === allowed?.id)
    await expect.poll(outcome).toMatchObject({ outcome: 'ok', http: { status: 200, bytes_out: answer.body.length } })
  })

  it("carries the vault's credential upstream and never the token of the agent (row 7, P1)", async () => {
    const answer = await rig.ask(`/proxy/${alice.id}/api/items`, {
      token,
      headers: { cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', 'x-http-method-override': 'DELETE', 'acme-version': '7' },
    })
    expect(answer.status).toBe(200)
    const sent = rig.provider.requests.at(-1)!
    expect(sent.headers.authorization).toMatch(/^Bearer .*canary-/)
    expect(JSON.stringify(sent.headers)).not.toContain(token)
    expect(sent.headers).toMatchObject({ 'acme-version': '7', 'accept-encoding': 'identity' })
    expect(sent.headers).not.toHaveProperty('cookie')
    expect(sent.headers).not.toHaveProperty('x-forwarded-for')
    expect(sent.headers).not.toHaveProperty('x-http-method-override')
  })

  it('masks a token that the provider echoes, in body, headers and trailers, and says so on the record (P1)', async () => {
    for (const as of ['verbatim', 'authorization', 'percent', 'base64', 'json', 'header', 'trailer', 'split']) {
      const answer = await rig.ask(`/proxy/${alice.id}/api/reflect?as=${as}`, { token })
      expect(answer.status, as).toBe(200)
      const seen = `${JSON.stringify(answer.headers)}${JSON.stringify(answer.trailers)}${answer.body.toString('latin1')}`
      for (const secret of rig.provider.allIssuedSecrets()) {
        for (const spelling of [
          secret,
          encodeURIComponent(secret),
          Buffer.from(secret).toString('base64').slice(4, -4),
        ]) {
          expect(seen, as).not.toContain(spelling)
        }
      }
      expect(seen, as).toContain('*')
    }
    await expect.poll(async () => (await rig.events('secret_echo')).length).toBe(8)
  })

  it('refuses an encoded answer, when nobody asked for it (P1)', async () => {
    const answer = await rig.ask(`/proxy/${alice.id}/api/gzip`, { token, headers: { 'accept-encoding': 'br' } })
    expect([answer.status, code(answer)]).toEqual([502, 'provider_answer_refused'])
  })

  it('follows no redirect and shows the agent no way past the proxy (row 23)', async () => {
    const before = upstream()
    const answer = await rig.ask(`/proxy/${alice.id}/api/redirect?to=http://127.0.0.1:9/`, { token })
    expect(answer.status).toBe(302)
    expect(answer.headers).not.toHaveProperty('location')
    expect(upstream()).toBe(before + 1)
  })

  it('passes statuses and empty bodies as they are', async () => {
    for (const status of [204, 304, 404, 429, 500]) {
      const answer = await rig.ask(`/proxy/${alice.id}/api/status/${status}?retry_after=7`, { token })
      expect(answer.status).toBe(status)
      expect(answer.headers).not.toHaveProperty('valetkey-error')
      if (status === 429) expect(answer.headers['retry-after']).toBe('7')
    }
    const head = await rig.ask(`/proxy/${alice.id}/api/items`, { token, method: 'HEAD' })
    expect([head.status, head.body.length]).toEqual([200, 0])
  })

  it("finds the one granted connection of a provider by the provider's id", async () => {
    const answer = await rig.ask('/proxy/acme/api/items', { token })
    expect(answer.status).toBe(200)
    expect((await rig.ask('/proxy/nobody/api/items', { token })).status).toBe(404)
  })

  it('keeps the connection of another person as unknown as one that does not exist (P6)', async () => {
    const theirs = await rig.ask(`/proxy/${bob.id}/api/items`, { token })
    const unknown = await rig.ask(`/proxy/con_${'0'.repeat(26)}/api/items`, { token })
    expect([theirs.status, unknown.status]).toEqual([404, 404])
    const { request_id: _, ...left } = theirs.json
    const { request_id: __, ...right } = unknown.json
    expect(left).toEqual(right)
  })

  it('sends nothing for want of a permission, and gives every reason and fix (P3)', async () => {
    const before = upstream()
    const answer = await rig.ask(`/proxy/${alice.id}/api/items`, {
      token,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"x"}',
    })
    expect([answer.status, code(answer)]).toEqual([403, 'operation_not_permitted'])
    expect(answer.json.reasons[0].fix).toContain('acme:items:write')
    expect(answer.headers['valetkey-error']).toBe('operation_not_permitted')
    expect(upstream()).toBe(before)
    const denied = (await rig.events('access.denied')).find(event => event.id === answer.headers['valetkey-event'])
    expect(denied).toMatchObject({
      outcome: 'denied',
      user: alice.user,
      agent: rig.agent,
      connection: alice.id,
      operation: 'acme.items.create',
      decision: { reasons: ['operation_not_permitted'] },
    })
  })

  it("proxies none of the provider's OAuth endpoints, in any spelling or method", async () => {
    const before = rig.provider.requests.length
    await rig.grant(alice, { permissions: [], paths: [{ methods: ['GET', 'POST'], pattern: '/**' }] })
    for (const path of ['/token', '/TOKEN', '/token/', '/%74oken', '/revoke', '/authorize', '/token;a=b']) {
      for (const method of ['GET', 'POST']) {
        const answer = await rig.ask(`/proxy/${alice.id}${path}`, { token, method })
        expect([path, answer.status, code(answer)]).toEqual([path, 403, 'operation_not_permitted'])
      }
    }
    expect(rig.provider.requests.length).toBe(before)
  })

  it("refuses paths that readers could take for others, and hosts that are not the entry's (row 22)", async () => {
    const before = rig.provider.requests.length
    for (const path of [
      '//evil',
      '/a/../b',
      '/%2e%2e/x',
      '/a/%252e',
      '/\\evil',
      '/a//b',
      '/a%00',
      '/x%2fy',
      '/%c0%ae',
    ]) {
      const answer = await rig.ask(`/proxy/${alice.id}${path}`, { token })
      expect([path, answer.status, code(answer)]).toEqual([path, 400, 'validation_failed'])
    }
    const host = await rig.ask(`/proxy/${alice.id}/~evil.example/api/items`, { token })
    expect([host.status, code(host)]).toEqual([403, 'host_not_allowed'])
    const own = await rig.ask(`/proxy/${alice.id}/~api.acme.example/api/items`, { token })
    expect(own.status).toBe(200)
    expect(rig.provider.requests.length).toBe(before + 1)
  })

  it('takes the seven methods and no others', async () => {
    for (const method of ['PROPFIND', 'TRACE', 'PURGE']) {
      const answer = await rig.ask(`/proxy/${alice.id}/api/items`, { token, method })
      expect([method, answer.status, code(answer)]).toEqual([method, 405, 'method_not_allowed'])
    }
  })

  it("refuses a credential of the agent's own in query and body (row 34, P7)", async () => {
    const before = upstream()
    const write = { token, method: 'POST' }
    await rig.grant(alice, { permissions: ['acme:items:write'] })
    const query = await rig.ask(`/proxy/${alice.id}/api/items?Access_Token=x`, { token })
    const form = await rig.ask(`/proxy/${alice.id}/api/items`, { ...write, body: 'a=b&token=x' })
    const json = await rig.ask(`/proxy/${alice.id}/api/items`, { ...write, body: '{"title":"x","to\\u006ben":"x"}' })
    for (const answer of [query, form, json]) expect([answer.status, code(answer)]).toEqual([400, 'validation_failed'])
    const large = await rig.ask(`/proxy/${alice.id}/api/items`, {
      ...write,
      body: `{"title":"${'x'.repeat(1_100_000)}"}`,
    })
    expect([large.status, code(large)]).toEqual([413, 'payload_too_large'])
    expect(upstream()).toBe(before)
    const good = await rig.ask(`/proxy/${alice.id}/api/items`, {
      ...write,
      headers: { 'content-type': 'application/json' },
      body: '{"title":"kept"}',
    })
    expect([good.status, good.json.title]).toEqual([201, 'kept'])
  })

  it('challenges who has no token, and says nothing of an error then (row 9)', async () => {
    const none = await rig.ask(`/proxy/${alice.id}/api/items`)
    expect(none.status).toBe(401)
    expect(none.headers['www-authenticate']).not.toContain('error=')
    const inQuery = await rig.ask(`/proxy/${alice.id}/api/items?access_token=${token}`)
    expect(inQuery.status).toBe(401)
    const twice = await rig.ask(`/proxy/${alice.id}/api/items`, {
      headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] },
    })
    expect(twice.headers['www-authenticate']).toContain('error="invalid_token"')
    const vendorStyle = await rig.ask(`/proxy/${alice.id}/api/items`, { headers: { authorization: `token ${token}` } })
    expect(vendorStyle.status).toBe(200)
  })

  it('streams a large download with back-pressure, byte for byte', async () => {
    const size = 24 * 1024 * 1024
    const response = await rig.begin(`/proxy/${alice.id}/api/bytes/${size}`, { token })
    response.pause()
    await expect.poll(hasStopped(() => rig.provider.requests.at(-1)!.bytesSent)).toBe(true)
    expect(rig.provider.requests.at(-1)!.bytesSent).toBeLessThan(size)
    let got = 0
    for await (const chunk of response) got += (chunk as Buffer).length
    expect(got).toBe(size)
  })

  it('streams an upload of unknown length: its beginning goes up before its end is there', async () => {
    await rig.grant(alice, { permissions: [], paths: [{ methods: ['PUT'], pattern: '/api/echo/**' }] })
    const request = send({
      host: '127.0.0.1',
      port: rig.port,
      method: 'PUT',
      path: `/proxy/${alice.id}/api/echo/file`,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'image/png', 'transfer-encoding': 'chunked' },
    })
    const answered = new Promise<IncomingMessage>(resolve => request.once('response', resolve))
    const before = rig.provider.requests.length
    request.write(Buffer.alloc(64 * 1024, 0x89))
    await expect.poll(() => rig.provider.requests.length).toBe(before + 1)
    for (let i = 0; i < 63; i++) request.write(Buffer.alloc(64 * 1024, 0x89))
    request.end()
    const response = await answered
    response.resume()
    expect(response.statusCode).toBe(200)
    expect(rig.provider.requests.at(-1)!.bodyBytes).toBe(4 * 1024 * 1024)
  })

  it('breaks the connection where the provider breaks off, and never ends as if it were whole', async () => {
    rig.provider.script({ at: 'api', kind: 'half_answer' })
    await expect(rig.ask(`/proxy/${alice.id}/api/bytes/500000`, { token })).rejects.toThrow()
    rig.provider.script({ at: 'api', kind: 'drop_before' })
    const dropped = await rig.ask(`/proxy/${alice.id}/api/items`, { token })
    expect([dropped.status, code(dropped)]).toEqual([502, 'provider_unavailable'])
  })

  it('breaks the connection also where only the manner of the end tells that an answer was not whole', async () => {
    const upstream = createServer((_request, response) => {
      response.write('half of it', () => response.socket?.destroy())
    })
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    const other = await openRig({ overrides: () => ({ origins: { 'https://api.acme.example': origin } }) })
    try {
      const connection = await other.connect('alice')
      await other.grant(connection)
      const task = await other.task('alice')
      await expect(other.ask(`/proxy/${connection.id}/api/items`, task)).rejects.toThrow()
      await expect
        .poll(() => other.events('access.completed'))
        .toMatchObject([{ outcome: 'unknown', facts: { failure: 'cut' } }])
    } finally {
      await other.close()
      upstream.close()
    }
  })

  it('ends the request upstream when the agent leaves', async () => {
    const response = await rig.begin(`/proxy/${alice.id}/api/slow?ms=20`, { token })
    await new Promise(resolve => response.once('data', resolve))
    response.destroy()
    await rig.provider.requests.at(-1)!.finished
    expect(rig.provider.requests.at(-1)!.wasAborted).toBe(true)
  })

  it('lets an uploader go on only when its body is taken', async () => {
    const exchange = (path: string) =>
      new Promise<string>(resolve => {
        const socket = connectSocket(rig.port, '127.0.0.1')
        let text = ''
        socket.on('data', chunk => {
          text += chunk.toString()
          if (text.includes('100 Continue') && !text.includes('201')) socket.write('{"title":"x"}')
          if (/HTTP\/1\.1 [2-5]/.test(text)) socket.end()
        })
        socket.on('close', () => resolve(text))
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n`,
        )
      })
    expect(await exchange(`/proxy/${alice.id}/api/items`)).toMatch(/^HTTP\/1\.1 100 Continue[\s\S]*HTTP\/1\.1 201/)
    expect(await exchange(`/proxy/${bob.id}/api/items`)).toMatch(/^HTTP\/1\.1 404[\s\S]*[Cc]onnection: close/)
  })
})

describe('a decision that is asked for', () => {
  const asked = async (body: object) =>
    (
      await rig.ask('/v1/decisions', {
        token,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json

  it('is the one that the proxy would make, with its grant or with reasons and fixes (P3)', async () => {
    const yes = await asked({ connection: alice.id, method: 'GET', path: '/api/items?limit=1' })
    expect(yes).toMatchObject({ allowed: true, operation: 'acme.items.list', action: 'list', reasons: [] })
    expect(yes.grant).toMatch(/^grt_/)
    const operation = await asked({ connection: 'acme', operation: 'acme.items.get', input: { id: 'a b' } })
    expect(operation).toMatchObject({ allowed: true, operation: 'acme.items.get' })
    const no = await asked({ connection: alice.id, method: 'DELETE', path: '/api/items/1' })
    expect(no).toMatchObject({ allowed: false, operation: 'acme.unlisted', action: 'delete' })
    expect(no.reasons[0].fix).not.toBe('')
  })

  it("knows nothing of other people's connections (P6)", async () => {
    expect(await asked({ connection: bob.id, method: 'GET', path: '/api/items' })).toMatchObject({ code: 'not_found' })
  })
})
