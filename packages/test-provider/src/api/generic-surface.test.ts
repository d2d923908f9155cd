import { createHash } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { type AppAtProvider, closeAll, startApp } from '../app-at-provider.ts'
import { reflections } from './reflections.ts'

afterEach(closeAll)

const tokenOf = (app: AppAtProvider, user = 'alice', scopes?: string[]) =>
  app.provider.issueTokens(user, 'app', scopes).accessToken

test('an API takes one bearer token, in the header only, and challenges all else (RFC 6750)', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const url = `${app.provider.url}/api/me`
  const challenge = async (address: string, authorization?: string) => {
    const response = await fetch(address, { headers: authorization === undefined ? {} : { authorization } })
    return [response.status, response.headers.get('www-authenticate')]
  }
  const realm = `Bearer realm="${app.provider.issuer}"`
  expect(await challenge(url)).toEqual([401, realm])
  expect(await challenge(`${url}?access_token=${encodeURIComponent(token)}`)).toEqual([401, realm])
  for (const wrong of ['Bearer wrong', `Basic ${token}`, `Bearer ${token}x`, token]) {
    const [status, header] = await challenge(url, wrong)
    expect([status, header]).toEqual([401, expect.stringContaining('error="invalid_token"')])
  }
  expect((await app.call('/api/me', token)).status).toBe(200)
  expect(app.provider.stats).toMatchObject({ apiCalls: 1, apiRefused: 6 })
})

test('an API that declares scopes refuses a token without them and names them', async () => {
  const app = await startApp()
  const response = await app.call('/api/items/x', tokenOf(app, 'alice', ['items:read']), { method: 'DELETE' })
  expect(response.status).toBe(403)
  expect(response.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="items:write"')
})

test('whose items come back depends on the token, for reading and for writing', async () => {
  const app = await startApp({
    seed: { items: { alice: [{ id: 'a1', title: 'hers' }], bob: [{ id: 'b1', title: 'his' }] } },
  })
  const [alice, bob] = [tokenOf(app), tokenOf(app, 'bob')]
  const titles = async (token: string) =>
    (await (await app.call('/api/items', token)).json()).data.map((i: { title: string }) => i.title)
  expect([await titles(alice), await titles(bob)]).toEqual([['hers'], ['his']])
  expect((await app.call('/api/items/b1', alice)).status).toBe(404)
  expect((await app.call('/api/items/b1', alice, { method: 'DELETE' })).status).toBe(404)
  const put = { method: 'PUT', body: '{"title":"changed"}' }
  expect((await app.call('/api/items/a1', alice, put)).status).toBe(200)
  const created = await app.call('/api/items', alice, { method: 'POST', body: '{"title":"new"}' })
  expect([created.status, created.headers.get('location')]).toEqual([201, `${app.provider.url}/api/items/new-1`])
  expect([await titles(alice), await titles(bob)]).toEqual([['changed', 'new'], ['his']])
  expect((await app.call('/api/items/a1', alice, { method: 'DELETE' })).status).toBe(204)
  expect(app.provider.requests.at(-1)).toMatchObject({ user: 'alice', method: 'DELETE', status: 204 })
})

test('lists come in pages with a cursor and an absolute link to the next one', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const first = await app.call('/api/items?limit=3', token)
  const link = /^<(.*)>; rel="next"$/.exec(first.headers.get('link')!)![1]!
  const page = await first.json()
  expect([page.data.length, page.next_cursor]).toEqual([3, 'alice-4'])
  const second = await app.call(link.slice(app.provider.url.length), token)
  expect(await second.json()).toMatchObject({ data: [{ id: 'alice-4' }, { id: 'alice-5' }], next_cursor: null })
  expect((await app.call('/api/items?cursor=nonsense', token)).status).toBe(400)
})

test('echo shows what arrived, and the user in the place of the token when asked', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const body = 'x'.repeat(200_000)
  const sent = await app.call('/api/echo/deep/path?a=1&a=2', token, { method: 'PATCH', body, headers: { 'x-y': 'z' } })
  const seen = await sent.json()
  expect(seen).toMatchObject({
    method: 'PATCH',
    path: '/api/echo/deep/path',
    query: [
      ['a', '1'],
      ['a', '2'],
    ],
    headers: { 'x-y': 'z', authorization: `Bearer ${token}` },
    body_bytes: 200_000,
    body_sha256: createHash('sha256').update(body).digest('hex'),
  })
  const masked = await (await app.call('/api/echo?authorization=user', token)).text()
  expect(masked).not.toContain(token)
  expect(JSON.parse(masked).headers.authorization).toBe('alice')
})

test('reflect sends the token back in the form asked for', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const reflected = async (as: string) => {
    const response = await app.call(`/api/reflect?as=${as}`, token)
    return { text: await response.text(), headers: response.headers }
  }
  for (const as of ['verbatim', 'authorization', 'split', 'gzip']) expect((await reflected(as)).text).toContain(token)
  expect((await reflected('header')).headers.get('x-reflected')).toBe(token)
  const [every, some] = (await reflected('percent')).text.trim().split('\n')
  expect([every, some].map(line => decodeURIComponent(line!))).toEqual([token, token])
  expect(every).toMatch(/^(%[0-9A-F]{2})+$/)
  expect(some).not.toBe(token)
  const forms = (await reflected('base64')).text.split('\n').map(line => Buffer.from(line, 'base64').toString())
  expect(forms).toHaveLength(6)
  for (const form of forms) expect(form).toContain(token)
  const escaped = (await reflected('json')).text
  expect(escaped).not.toContain(token)
  expect(Object.values(JSON.parse(escaped))).toEqual([token, token])
  expect((await reflected('trailer')).headers.get('trailer')).toBe('x-reflected')
  expect((await app.call('/api/reflect?as=nothing', token)).status).toBe(400)
  expect(Object.keys(reflections)).toHaveLength(9)
})

test('bytes are as many as asked for, and are not written faster than they are read', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const all = await (await app.call('/api/bytes/1000001', token)).arrayBuffer()
  expect(all.byteLength).toBe(1_000_001)
  const hurried = await app.call('/api/bytes/500000000?chunked=1', token)
  const reader = hurried.body!.getReader()
  await reader.read()
  await reader.cancel()
  const record = app.provider.requests.at(-1)!
  await record.finished
  expect(record.wasAborted).toBe(true)
  expect(record.bytesSent).toBeLessThan(100_000_000)
})

test('a stream of events ends when the client goes, and the log says so', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  expect((await (await app.call('/api/slow?ms=1&count=3', token)).text()).match(/data:/g)).toHaveLength(3)
  const abort = new AbortController()
  const response = await app.call('/api/slow?ms=1', token, { signal: abort.signal })
  const reader = response.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('data: {"tick":1}')
  abort.abort()
  const record = app.provider.requests.to('/api/slow').at(-1)!
  await record.finished
  expect(record.wasAborted).toBe(true)
})

test('status, redirect, compressed and header answers are as asked', async () => {
  const app = await startApp()
  const token = tokenOf(app)
  const limited = await app.call('/api/status/429?retry_after=3', token)
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '3'])
  const moved = await app.call('/api/redirect?to=https%3A%2F%2Felsewhere.example%2F&status=307', token)
  expect([moved.status, moved.headers.get('location')]).toEqual([307, 'https://elsewhere.example/'])
  for (const encoding of ['gzip', 'br']) {
    const answer = await app.call(`/api/gzip?encoding=${encoding}`, token)
    expect([answer.headers.get('content-encoding'), await answer.json()]).toEqual([encoding, { owner: 'alice' }])
  }
  const bomb = await app.call('/api/gzip?inflate=1000000', token)
  expect(Number(bomb.headers.get('content-length'))).toBeLessThan(10_000)
  expect((await bomb.arrayBuffer()).byteLength).toBe(1_000_000)
  const headers = await app.call('/api/headers?set-cookie=a%3D1&set-cookie=b%3D2&x-a=1', token)
  expect([headers.headers.getSetCookie(), headers.headers.get('x-a')]).toEqual([['a=1', 'b=2'], '1'])
  expect((await app.call('/api/unknown', token)).status).toBe(404)
  expect((await app.call('/api/me', token, { method: 'DELETE' })).status).toBe(405)
})
