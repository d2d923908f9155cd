import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { problem, startWireServer, type WireServer } from '../test/wire-server.ts'
import { proxyUrl } from './connection-fetch.ts'
import { Valetkey } from './valetkey.ts'

let server: WireServer
let vault: Valetkey

beforeEach(async () => {
  server = await startWireServer()
  vault = new Valetkey({ url: server.url, clientId: 'client', clientSecret: 'secret' })
})
afterEach(() => server.close())

const calls = () => server.seen.filter(({ target }) => target.startsWith('/proxy/'))
const ok = () => ({ json: { ok: true } })

describe('where a call goes', () => {
  const base = 'https://v.example/t/acme'
  const at = (target: string) => proxyUrl(base, 'con_1', target).href.slice('https://v.example/t/acme'.length)

  test('a path is a path at the provider, its query byte for byte', () => {
    expect(at('/api/x.list?a=%2f+b&a=c%20d&e')).toBe('/proxy/con_1/api/x.list?a=%2f+b&a=c%20d&e')
    expect(at('/a/b%2Fc#part')).toBe('/proxy/con_1/a/b%2Fc')
    expect(at('/')).toBe('/proxy/con_1/')
  })

  test('an absolute URL of the provider keeps its host, and the server judges it', () => {
    expect(at('https://slack.com/api/x?y=1#z')).toBe('/proxy/con_1/~slack.com/api/x?y=1')
    expect(at('https://files.slack.com:8443/a/../b')).toBe('/proxy/con_1/~files.slack.com:8443/b')
  })

  test('a link that the proxy has rewritten is followed as it is, of this connection only', () => {
    expect(at(`${base}/proxy/con_1/~slack.com/x`)).toBe('/proxy/con_1/~slack.com/x')
    expect(() => at(`${base}/proxy/con_2/x`)).toThrow(TypeError)
    expect(() => at(`${base}/proxy/con_1/../con_2/x`)).toThrow(TypeError)
    expect(() => at(`${base}/v1/connections`)).toThrow(TypeError)
  })

  test.each([
    '/../con_2/api/x',
    '/..',
    '/a/../../../v1/connections',
    '/%2e%2e/con_2/x',
    '/.%2E/x',
    '/a/./b',
    '/..\\con_2',
    '/\\evil.example/x',
    '/.\t./x',
    '/a\r\nHost: evil',
    '/.\n./con_2',
    '//evil.example/x',
    'relative/x',
    '',
    '@evil.example/x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://user:pass@slack.com/x',
  ])('%j does not leave the connection: refused before anything is sent (row 22)', target => {
    expect(() => at(target)).toThrow(TypeError)
  })

  test.each(['', '..', '.', 'con_1/../con_2', 'con_1?x', 'con_1#', 'con 1'])('%j is no connection', id => {
    expect(() => proxyUrl(base, id, '/x')).toThrow(TypeError)
  })
})

test('the agent’s token goes along, and what the caller put into Authorization does not', async () => {
  server.route = ok
  const { fetch } = vault.connection('con_1')
  const response = await fetch('/api/x', {
    method: 'PUT',
    headers: { Authorization: 'Bearer provider-token', 'Content-Type': 'text/plain', 'X-Request-Id': 'mine' },
    body: 'hello',
  })
  expect(await response.json()).toEqual({ ok: true })
  expect(calls()).toHaveLength(1)
  expect(calls()[0]).toMatchObject({
    method: 'PUT',
    target: '/proxy/con_1/api/x',
    headers: { authorization: 'Bearer token-1', 'content-type': 'text/plain', 'x-request-id': 'mine' },
    body: 'hello',
  })
})

test('a Request goes as it is: method, headers and body', async () => {
  server.route = ok
  const request = new Request('https://slack.com/api/x', { method: 'POST', headers: { 'x-own': '1' }, body: 'abc' })
  await vault.connection('con_1').fetch(request)
  expect(calls()[0]).toMatchObject({
    method: 'POST',
    target: '/proxy/con_1/~slack.com/api/x',
    headers: { 'x-own': '1' },
    body: 'abc',
  })
})

test('errors of the provider are responses, a 401 among them, and nothing is sent twice', async () => {
  for (const status of [400, 401, 403, 404, 429, 500, 503]) {
    server.seen.length = 0
    server.route = () => ({ status, json: { provider: 'says no' } })
    const response = await vault.connection('con_1').fetch('/api/x', { method: 'POST' })
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ provider: 'says no' })
    expect(calls()).toHaveLength(1)
  }
})

test('a refusal of Valetkey is thrown, or given back as it is when asked so', async () => {
  server.route = () => problem(409, 'needs_reauth', 'Connect again.', { connect_url: 'https://v.example/connect' })
  await expect(vault.connection('con_1').fetch('/api/x')).rejects.toMatchObject({
    code: 'needs_reauth',
    status: 409,
    connectUrl: 'https://v.example/connect',
  })
  const quiet = await vault.connection('con_1', { throwOnDenied: false }).fetch('/api/x')
  expect(quiet.status).toBe(409)
  expect(quiet.headers.get('valetkey-error')).toBe('needs_reauth')
  const once = await vault.connection('con_1').fetch('/api/x', { throwOnDenied: false })
  expect(once.status).toBe(409)
})

test('a write is not sent again when its answer is lost', async () => {
  server.route = () => ({ drop: true })
  await expect(vault.connection('con_1').fetch('/api/x', { method: 'POST', body: 'x' })).rejects.toThrow()
  expect(calls()).toHaveLength(1)
})

test('when our own token has ended the call is sent once more with another', async () => {
  server.route = ok
  const { fetch } = vault.connection('con_1')
  await fetch('/api/x')
  server.live.clear()
  const response = await fetch('/api/x', { method: 'POST', body: 'again' })
  expect(response.status).toBe(200)
  expect(calls().map(({ headers, body }) => [headers.authorization, body])).toEqual([
    ['Bearer token-1', ''],
    ['Bearer token-1', 'again'],
    ['Bearer token-2', 'again'],
  ])
})

test('a body that streams cannot be sent twice: the refusal is told', async () => {
  server.route = ok
  const { fetch } = vault.connection('con_1')
  await fetch('/api/x')
  server.live.clear()
  const body = new Blob(['once']).stream()
  await expect(fetch('/api/x', { method: 'POST', body })).rejects.toMatchObject({ code: 'unauthorized' })
  expect(calls()).toHaveLength(2)
})

test('bodies stream both ways: the answer to the first piece comes before the second is written', async () => {
  server.raw = (request, response) => {
    if (!request.url?.startsWith('/proxy/')) return false
    response.writeHead(200)
    response.flushHeaders()
    request.pipe(response)
    return true
  }
  const encoder = new TextEncoder()
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const first = writer.write(encoder.encode('one'))
  const response = await vault.connection('con_1').fetch('/echo', { method: 'POST', body: readable })
  const reader = response.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toBe('one')
  await first
  await Promise.all([writer.write(encoder.encode('two')), writer.close()])
  expect(new TextDecoder().decode((await reader.read()).value)).toBe('two')
})

test('the caller can end a call', async () => {
  server.raw = request => request.url?.startsWith('/proxy/') === true
  const stop = new AbortController()
  const call = vault.connection('con_1').fetch('/slow', { signal: stop.signal })
  stop.abort()
  await expect(call).rejects.toMatchObject({ name: 'AbortError' })
})
