import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allRoutes } from '../../packages/server/src/edges/http/api/all-routes.ts'
import { onBoth, type Rig, startRig } from '../rig.ts'

/** What every answer carries, and what none does (rows 38, 50, 77, 105). */
describe.each(onBoth)('every answer on $database', ({ database }) => {
  let rig: Rig
  let https: Rig
  let link: string
  let integration: string
  const places: { readonly method: string; readonly path: string; readonly body?: unknown }[] = []
  beforeAll(async () => {
    rig = await startRig({ database })
    https = await startRig({ database, environment: { VALETKEY_URL: 'https://vault.example' } })
    integration = (await rig.provider()).integration
    await rig.user('alice')
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    link = opened.body.connect_url.split('/connect/')[1]
    places.push(
      ...allRoutes.map(({ method, path, body }) => ({
        method,
        path: path.replace('{id}', 'x'),
        ...(body !== undefined && { body: {} }),
      })),
      { method: 'GET', path: '/nothing' },
      { method: 'GET', path: '/v1/users/%' },
      { method: 'GET', path: '/healthz' },
      { method: 'GET', path: '/readyz' },
      { method: 'GET', path: '/openapi.json' },
      { method: 'GET', path: '/.well-known/openid-configuration' },
      { method: 'GET', path: '/.well-known/oauth-authorization-server' },
      { method: 'GET', path: '/.well-known/oauth-protected-resource' },
      { method: 'POST', path: '/oauth/token', body: {} },
      { method: 'GET', path: '/oauth/nothing' },
      { method: 'GET', path: '/oauth/jwks' },
      { method: 'GET', path: '/proxy/x/y' },
      { method: 'GET', path: '/connect/unknown' },
      { method: 'POST', path: '/connect/unknown' },
      { method: 'GET', path: '/callback/unknown?code=1&state=2' },
      { method: 'POST', path: '/callback/unknown' },
      { method: 'GET', path: '/t/nobody/v1/users' },
    )
  })
  afterAll(async () => {
    await rig.close()
    await https.close()
  })

  // What comes from a provider passes with the provider's headers.
  const isOfTheProxy = (path: string) => path.startsWith('/proxy/')

  it('is typed and not to be sniffed; JSON of the API is JSON (row 105)', async () => {
    for (const token of [undefined, await rig.token()])
      for (const { method, path, body } of places) {
        const answer = await rig.call(method, path, body, token === undefined ? {} : { token })
        const name = [method, path, answer.status]
        if (!isOfTheProxy(path))
          expect([...name, answer.headers.get('x-content-type-options')]).toEqual([...name, 'nosniff'])
        const type = answer.headers.get('content-type') ?? ''
        if (/^\/(connect|callback)\//.test(path)) expect([...name, type]).toEqual([...name, 'text/html; charset=utf-8'])
        else expect([...name, /^application\/(problem\+json|json|jwk-set\+json)/.test(type)]).toEqual([...name, true])
        expect(answer.headers.get('x-powered-by')).toBeNull()
        expect(answer.headers.get('server')).toBeNull()
      }
  })

  it('is kept by no cache, but for the key set', async () => {
    for (const { method, path, body } of places) {
      const answer = await rig.call(method, path, body, { token: await rig.token() })
      const expected = path === '/oauth/jwks' ? 'public, max-age=60' : 'no-store'
      expect([method, path, answer.headers.get('cache-control')]).toEqual([method, path, expected])
    }
  })

  it('gives no other site a right to read it: no CORS at the API, the token endpoint and the pages (row 50)', async () => {
    const origin = 'https://evil.example'
    for (const { method, path, body } of places.filter(place => place.path !== '/oauth/jwks')) {
      const answer = await rig.call(method, path, body, { token: await rig.token(), headers: { origin } })
      const names = [...answer.headers.keys()].filter(name => name.startsWith('access-control-'))
      expect([method, path, names]).toEqual([method, path, []])
      const preflight = await rig.call('OPTIONS', path, undefined, {
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization' },
      })
      const allowed = [...preflight.headers.keys()].filter(name => name.startsWith('access-control-'))
      expect([path, preflight.status >= 400, allowed]).toEqual([path, true, []])
    }
    const keys = await rig.call('GET', '/oauth/jwks', undefined, { headers: { origin } })
    expect(keys.headers.get('access-control-allow-origin')).toBe('*')
    expect(keys.headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('over https demands https from then on; over loopback http it does not (row 105)', async () => {
    for (const { method, path, body } of places.filter(place => !isOfTheProxy(place.path))) {
      const secure = await https.call(method, path, body)
      expect([method, path, secure.headers.get('strict-transport-security')]).toEqual([
        method,
        path,
        'max-age=31536000; includeSubDomains',
      ])
      const plain = await rig.call(method, path, body)
      expect([method, path, plain.headers.get('strict-transport-security')]).toEqual([method, path, null])
    }
  })

  it('that is a page has no script, no frame, no referrer and an opener of its own (rows 38, 77, 105)', async () => {
    for (const path of [
      `/connect/${link}`,
      '/connect/unknown',
      `/callback/${integration}?code=1&state=2`,
      `/callback/${integration}`,
    ]) {
      const answer = await rig.call('GET', path)
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
      const policy = answer.headers.get('content-security-policy')!
      for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", 'form-action'])
        expect([path, policy.includes(rule)]).toEqual([path, true])
      expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|\*/)
      expect(answer.headers.get('x-frame-options')).toBe('DENY')
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
      expect(answer.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(answer.text).not.toMatch(/<script|<img|<link|<iframe|\son\w+=|style="/i)
    }
  })

  it('that is a page says nothing back that it was told (row 78)', async () => {
    const lie = '<script>alert(1)</script>'
    for (const path of [
      `/connect/${encodeURIComponent(lie)}`,
      `/callback/${encodeURIComponent(lie)}?state=x`,
      `/callback/${integration}?error=${encodeURIComponent(lie)}&state=x`,
      `/callback/${integration}?error_description=${encodeURIComponent('"><img src=x>')}&state=x`,
    ]) {
      const answer = await rig.call('GET', path)
      expect([path, answer.status >= 400]).toEqual([path, true])
      expect(answer.text).not.toMatch(/alert|img/)
    }
    await rig.asOperator('POST', '/v1/users', { external_id: 'lie', display_name: lie })
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'lie' },
      integration,
      scopes: ['openid', '"><img'],
      return_to: 'http://127.0.0.1:9/done',
    })
    expect(opened.status).toBe(201)
    const page = await fetch(opened.body.connect_url)
    const text = await page.text()
    expect(page.status).toBe(200)
    expect(text).not.toContain(lie)
    expect(text).not.toContain('<img')
  })

  it('to a cookie is the same as to none: cookies count at no route of the API and the proxy', async () => {
    const cookie = `session=${await rig.token()}; valetkey=${await rig.token()}`
    for (const path of ['/v1/users', '/v1/connections', '/proxy/x/y', '/v1/audit/events']) {
      const answer = await rig.call('GET', path, undefined, { headers: { cookie } })
      expect([path, answer.status, answer.headers.get('www-authenticate')?.includes('error=')]).toEqual([
        path,
        401,
        false,
      ])
      expect(answer.headers.getSetCookie()).toEqual([])
    }
  })

  it('of health says ok and no more, also to strangers', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const answer = await rig.call('GET', path)
      expect([answer.status, answer.body]).toEqual([200, { ok: true }])
    }
  })

  it('of the OpenAPI document names every route, its scopes and this base URL', async () => {
    const { body } = await rig.call('GET', '/openapi.json')
    expect(body.openapi).toMatch(/^3\./)
    expect(body.servers[0].url).toBe(rig.url)
    for (const route of allRoutes)
      expect(body.paths[route.path]?.[route.method.toLowerCase()], route.path).toBeDefined()
  })
})
