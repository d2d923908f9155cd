import { afterEach, expect, test } from 'vitest'
import { closeAll, startApp } from './app-at-provider.ts'
import type { Fault } from './faults.ts'

afterEach(closeAll)

test('drop_before leaves the refresh token unused', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script({ at: 'token', kind: 'drop_before' })
  await expect(app.refresh(refresh_token)).rejects.toThrow()
  expect(app.provider.stats.refreshes).toBe(0)
  expect((await app.refresh(refresh_token)).status).toBe(200)
  expect(app.provider.requests.to('token').map(({ fault, status }) => [fault, status])).toEqual([
    [undefined, 200],
    ['drop_before', undefined],
    [undefined, 200],
  ])
})

test('drop_after rotates the refresh token and loses the answer: the retry kills the family', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script({ at: 'token', kind: 'drop_after' })
  await expect(app.refresh(refresh_token)).rejects.toThrow()
  expect(app.provider.stats.refreshes).toBe(1)
  expect((await app.refresh(refresh_token)).body.error).toBe('invalid_grant')
  expect(app.provider.stats.familiesKilled).toBe(1)
})

test('half_answer sends headers and half of the body, with the work done', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script({ at: 'token', kind: 'half_answer' })
  await expect(app.refresh(refresh_token)).rejects.toThrow()
  const [, half] = app.provider.requests.to('token')
  expect(half).toMatchObject({ status: 200, fault: 'half_answer' })
  expect(half!.bytesSent).toBeGreaterThan(50)
  expect(app.provider.stats.refreshes).toBe(1)
})

test('status answers without doing the work, as often as told, only where `when` holds', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script([
    {
      at: 'token',
      kind: 'status',
      status: 502,
      body: '<html>',
      headers: { 'retry-after': '7' },
      times: 2,
      when: request => request.body.includes('refresh_token'),
    },
    { at: 'api', kind: 'status' },
  ])
  expect((await app.token({ grant_type: 'client_credentials' })).status).toBe(200)
  for (let round = 0; round < 2; round += 1) {
    const answer = await app.refresh(refresh_token)
    expect([answer.status, answer.text, answer.headers.get('retry-after')]).toEqual([502, '<html>', '7'])
  }
  const { access_token } = (await app.refresh(refresh_token)).body
  expect((await app.call('/api/me', access_token)).status).toBe(503)
  expect((await app.call('/api/me', access_token)).status).toBe(200)
})

test('body does the work and answers something else', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script({ at: 'token', kind: 'body', body: { access_token: 7 } })
  const answer = await app.refresh(refresh_token)
  expect([answer.status, answer.body]).toEqual([200, { access_token: 7 }])
  expect(app.provider.stats.refreshes).toBe(1)
})

test('trickle sends an answer byte by byte until the client gives up', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  app.provider.script([
    { at: 'token', kind: 'trickle', ms: 0 },
    { at: 'discovery', kind: 'trickle', ms: 50 },
  ])
  expect((await app.refresh(refresh_token)).body).toHaveProperty('access_token')
  const address = `${app.provider.issuer}/.well-known/openid-configuration`
  const response = await fetch(address)
  const reader = response.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toMatch(/^\{/)
  await reader.cancel()
  const record = app.provider.requests.at(-1)!
  await record.finished
  expect(record.wasAborted).toBe(true)
})

test('headers made of the request let an evil provider send the person on with the state it was given', async () => {
  const app = await startApp()
  app.provider.script({
    at: 'authorize',
    kind: 'status',
    status: 302,
    headers: ({ query }) => ({ location: `http://127.0.0.1:9/honest?state=${encodeURIComponent(query.state!)}` }),
  })
  const back = new URL(await app.provider.approve(app.authorizationUrl(), { user: 'alice' }))
  expect([back.pathname, back.searchParams.get('state')]).toEqual(['/honest', 'st&te=1'])
})

test('delay waits and then answers; closing the provider ends the wait', async () => {
  const app = await startApp()
  app.provider.script([
    { at: 'discovery', kind: 'delay', ms: 20 },
    { at: 'discovery', kind: 'delay', ms: 60_000 },
  ])
  const address = `${app.provider.issuer}/.well-known/openid-configuration`
  const before = performance.now()
  expect((await fetch(address)).status).toBe(200)
  expect(performance.now() - before).toBeGreaterThanOrEqual(18)
  const waiting = fetch(address).catch(() => 'ended')
  await app.provider.close()
  expect(await waiting).toBe('ended')
})

test('a hold keeps answers until it is released, with the work done', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  const hold = app.provider.hold('token')
  let isAnswered = false
  const refreshing = app.refresh(refresh_token).finally(() => {
    isAnswered = true
  })
  const request = await hold.arrived
  expect(request.body).toContain('grant_type=refresh_token')
  expect(app.provider.stats.refreshes).toBe(1)
  expect(isAnswered).toBe(false)
  hold.release()
  expect((await refreshing).status).toBe(200)
  expect(hold.waiting).toHaveLength(1)
})

test('a hold before the work does nothing until it is released', async () => {
  const app = await startApp()
  const { refresh_token } = (await app.connect()).body
  const hold = app.provider.hold('token', 'before')
  const refreshing = app.refresh(refresh_token)
  await hold.arrived
  expect(app.provider.stats.refreshes).toBe(0)
  app.provider.clearScript()
  expect((await refreshing).status).toBe(200)
})

test('a fault that means nothing is refused', async () => {
  const { provider } = await startApp()
  for (const fault of [
    { at: 'tokens', kind: 'delay', ms: 1 },
    { at: 'token', kind: 'explode' },
    { at: 'token', kind: 'delay' },
  ]) {
    expect(() => provider.script(fault as Fault)).toThrow(TypeError)
  }
})

test('the log keeps the newest requests up to its limit, and can be cleared', async () => {
  const app = await startApp({ recordLimit: 10 })
  for (let round = 1; round <= 15; round += 1) await fetch(`${app.provider.url}/round/${round}`)
  const { requests } = app.provider
  expect(requests.length).toBeLessThanOrEqual(10)
  expect(requests.at(-1)).toMatchObject({ path: '/round/15', status: 404 })
  expect(requests.to(/round/)).toHaveLength(requests.length)
  requests.clear()
  expect(requests).toHaveLength(0)
})
