import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Browser, idOf, onBoth, type Rig, startRig, walk } from '../rig.ts'

/**
 * How one would steal an account through a connect flow: send the link to a victim, replay a callback, carry a code to
 * another integration, answer as another issuer, guess, wait. Each must end with nothing connected (P6, P7).
 */
describe.each(onBoth)('a connect flow on $database', ({ database }) => {
  let rig: Rig
  let provider: Awaited<ReturnType<Rig['provider']>>['provider']
  let integration: string
  beforeAll(async () => {
    rig = await startRig({ database })
    ;({ provider, integration } = await rig.provider())
    for (const name of ['alice', 'bob', 'mallory']) await rig.user(name)
  })
  afterAll(() => rig.close())

  const returnTo = 'http://127.0.0.1:9/done'
  async function open(user: string, more: Record<string, unknown> = {}) {
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: user },
      integration,
      scopes: ['openid', 'items:read'],
      return_to: returnTo,
      ...more,
    })
    return { id: idOf(opened), url: opened.body.connect_url as string }
  }
  const complete = (id: string, code: string | null, user: string) =>
    rig.asOperator('POST', `/v1/connect-sessions/${id}/complete`, {
      completion_code: code,
      user: { external_id: user },
    })
  const statusOf = async (id: string) => (await rig.asOperator('GET', `/v1/connect-sessions/${id}`)).body
  async function lastRefusal() {
    const events = await rig.asOperator('GET', '/v1/audit/events?type=connection.refused&limit=1')
    return events.body.data[0]
  }
  async function atCallback(user = 'alice') {
    const session = await open(user)
    const browser = new Browser()
    const left = await browser.press(session.url, 'continue')
    const back = await provider.approve(left.headers.get('location')!, { user })
    return { session, browser, back: new URL(back), tokensBefore: provider.stats }
  }
  const liveTokens = () => provider.activeTokens().length

  it('that goes well connects the account of who began, and shows no secret', async () => {
    const session = await open('alice')
    const done = await walk(session.url, provider, 'alice')
    expect(done.origin + done.pathname).toBe(returnTo)
    const answer = await complete(session.id, done.searchParams.get('completion_code'), 'alice')
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ status: 'active', provider: 'generic-oidc', user: { external_id: 'alice' } })
    const secrets = [...provider.allIssuedSecrets(), ...provider.allIssuedCodes()]
    expect(secrets.length).toBeGreaterThan(0)
    for (const secret of secrets) expect(answer.text).not.toContain(secret)
  })

  it('begun by mallory and walked by a victim gives mallory nothing, and destroys the credential (row 2)', async () => {
    const before = liveTokens()
    const session = await open('mallory')
    const done = await walk(session.url, provider, 'bob')
    const answer = await complete(session.id, done.searchParams.get('completion_code'), 'bob')
    expect(answer.status).toBe(403)
    expect(answer.body.code).toBe('user_mismatch')
    expect(liveTokens()).toBe(before)
    expect(await lastRefusal()).toMatchObject({ facts: { reason: 'user_mismatch', upstream: 'revoked' } })
    const again = await complete(session.id, done.searchParams.get('completion_code'), 'mallory')
    expect(again.status).toBe(409)
    const owned = await rig.asOperator('GET', '/v1/connections?user_external_id=mallory')
    expect(owned.body.data).toEqual([])
  })

  it('thrown away keeps what the victim had: the account is not revoked upstream while it has a live connection', async () => {
    await rig.connect({ user: 'bob', integration, provider })
    const before = liveTokens()
    const session = await open('mallory')
    const done = await walk(session.url, provider, 'bob')
    expect((await complete(session.id, done.searchParams.get('completion_code'), 'bob')).status).toBe(403)
    expect(await lastRefusal()).toMatchObject({ facts: { reason: 'user_mismatch', upstream: 'kept' } })
    expect(liveTokens()).toBeGreaterThanOrEqual(before)
    const bobs = await rig.asOperator('GET', '/v1/connections?user_external_id=bob')
    expect((await rig.asOperator('GET', `/v1/connections/${bobs.body.data[0].id}/check`)).body).toMatchObject({
      ok: true,
    })
    expect((await rig.asOperator('DELETE', `/v1/connections/${bobs.body.data[0].id}`)).status).toBe(200)
  })

  it('does not tell the app whose account it is before the right person has ended it', async () => {
    const session = await open('mallory')
    await walk(session.url, provider, 'bob')
    const pending = await rig.asOperator('GET', '/v1/connections?user_external_id=mallory')
    expect(pending.body.data).toHaveLength(1)
    expect(pending.body.data[0]).toMatchObject({ status: 'pending', account_label: null })
    expect(pending.text).not.toContain('bob')
  })

  it('is not begun by looking: link scanners may open the page as often as they like', async () => {
    const session = await open('alice')
    for (let i = 0; i < 3; i++) expect((await fetch(session.url)).status).toBe(200)
    expect((await statusOf(session.id)).status).toBe('open')
    expect((await walk(session.url, provider, 'alice')).searchParams.has('completion_code')).toBe(true)
  })

  it('takes the press of a button only from a form opened in that browser (row 38)', async () => {
    const session = await open('alice')
    const page = await (await new Browser().request(session.url)).text()
    const other = new Browser()
    expect((await other.submit(session.url, page, 'continue')).status).toBe(403)
    await other.request(session.url)
    expect((await other.submit(session.url, page, 'continue')).status).toBe(403)
    const foreign = await other.request(session.url, {
      method: 'POST',
      body: new URLSearchParams({ continue: '1' }),
      headers: { origin: 'https://evil.example' },
    })
    expect(foreign.status).toBe(403)
    expect((await statusOf(session.id)).status).toBe('open')
  })

  it('belongs to the first browser that continues; a second one gets 409', async () => {
    const session = await open('alice')
    const first = new Browser()
    const second = new Browser()
    const secondPage = await (await second.request(session.url)).text()
    expect((await first.press(session.url, 'continue')).status).toBe(303)
    expect((await second.submit(session.url, secondPage, 'continue')).status).toBe(409)
    expect((await second.request(session.url)).status).toBe(409)
  })

  it('declined goes back by a 303 with access_denied and asks the provider nothing (row 39)', async () => {
    const session = await open('alice')
    const ended = await new Browser().press(session.url, 'decline')
    expect(ended.status).toBe(303)
    expect(ended.headers.get('location')).toBe(`${returnTo}?connect_session=${session.id}&error=access_denied`)
    expect(await statusOf(session.id)).toMatchObject({ status: 'failed', error: 'access_denied' })
  })

  it('refused at the provider goes back with access_denied', async () => {
    const session = await open('alice')
    const browser = new Browser()
    const left = await browser.press(session.url, 'continue')
    const back = await provider.approve(left.headers.get('location')!, { user: 'alice', deny: true })
    const ended = await browser.request(back)
    expect(new URL(ended.headers.get('location')!).searchParams.get('error')).toBe('access_denied')
  })

  it('sends 32 random bytes of state and an S256 challenge; without the verifier the provider denies (rows 19, 20)', async () => {
    const session = await open('alice')
    const left = new URL((await new Browser().press(session.url, 'continue')).headers.get('location')!)
    expect(Buffer.from(left.searchParams.get('state')!, 'base64url')).toHaveLength(32)
    expect(left.searchParams.get('code_challenge_method')).toBe('S256')
    expect(left.searchParams.get('code_challenge')).toHaveLength(43)
    expect(left.searchParams.get('redirect_uri')).toBe(`${rig.url}/callback/${integration}`)
  })

  describe('at its callback', () => {
    it.each([
      ['state missing', (url: URL) => url.searchParams.delete('state'), 400, 'state_missing'],
      ['state unknown', (url: URL) => url.searchParams.set('state', 'A'.repeat(43)), 400, 'state_unknown'],
      ['a parameter repeated', (url: URL) => url.searchParams.append('code', 'other'), 400, 'parameter_repeated'],
    ] as const)(
      'with %s ends on a page, uses nothing up and sends nothing (row 20)',
      async (_name, spoil, status, reason) => {
        const { browser, back } = await atCallback()
        const spoiled = new URL(back)
        spoil(spoiled)
        const asked = provider.requests.to('token').length
        const answer = await browser.request(spoiled.href)
        expect(answer.status).toBe(status)
        expect(answer.headers.get('content-type')).toContain('text/html')
        expect(await lastRefusal()).toMatchObject({ facts: { reason } })
        expect(provider.requests.to('token').length).toBe(asked)
        expect((await browser.request(back.href)).status).toBe(303)
      },
    )

    it('in another browser is 403 and does not use the state up (row 2)', async () => {
      const { browser, back } = await atCallback()
      expect((await new Browser().request(back.href)).status).toBe(403)
      expect(await lastRefusal()).toMatchObject({ facts: { reason: 'other_browser' } })
      expect((await browser.request(back.href)).status).toBe(303)
    })

    it('works once: the same good callback again is 400 (row 20)', async () => {
      const { browser, back } = await atCallback()
      const kept = new Map(browser.cookies)
      expect((await browser.request(back.href)).status).toBe(303)
      for (const [name, value] of kept) browser.cookies.set(name, value)
      const asked = provider.requests.to('token').length
      expect((await browser.request(back.href)).status).toBe(400)
      expect(provider.requests.to('token').length).toBe(asked)
    })

    it('raced by itself redeems the code once', async () => {
      const { browser, back } = await atCallback()
      const asked = provider.requests.to('token').length
      const cookie = [...browser.cookies].map(([key, value]) => `${key.split(' ')[1]}=${value}`).join('; ')
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => fetch(back, { redirect: 'manual', headers: { cookie } })),
      )
      expect(answers.filter(answer => answer.status === 303)).toHaveLength(1)
      expect(provider.requests.to('token').length).toBe(asked + 1)
    })

    it('of another integration is refused before anything is sent (rows 1, 4)', async () => {
      const other = await rig.provider()
      const { browser, back } = await atCallback()
      const asked = provider.requests.to('token').length
      const carried = new URL(back.href.replace(integration, other.integration))
      expect((await browser.request(carried.href)).status).toBe(400)
      expect(await lastRefusal()).toMatchObject({ facts: { reason: 'other_integration' } })
      expect(other.provider.requests.to('token')).toHaveLength(0)
      expect(provider.requests.to('token').length).toBe(asked)
    })

    it.each([
      ['wrong', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
      ['with a slash more', (url: URL) => url.searchParams.set('iss', `${url.searchParams.get('iss')}/`)],
      ['in other case', (url: URL) => url.searchParams.set('iss', url.searchParams.get('iss')!.toUpperCase())],
      ['missing', (url: URL) => url.searchParams.delete('iss')],
    ] as const)('with iss %s ends the flow and sends no code (row 6)', async (_name, spoil) => {
      const { browser, back, session } = await atCallback()
      const asked = provider.requests.to('token').length
      expect(back.searchParams.get('iss')).toBe(provider.issuer)
      spoil(back)
      expect((await browser.request(back.href)).status).toBe(400)
      expect(provider.requests.to('token').length).toBe(asked)
      expect((await statusOf(session.id)).status).toBe('failed')
    })

    it('shows nothing that the provider said (row 78)', async () => {
      const { browser, back } = await atCallback()
      back.searchParams.delete('code')
      back.searchParams.set('error', '<script>alert(1)</script>')
      back.searchParams.set('error_description', '<img src=x onerror=alert(1)>')
      const answer = await browser.request(back.href)
      const shown = `${await answer.text()} ${answer.headers.get('location')}`
      expect(shown).not.toContain('script')
      expect(shown).not.toContain('onerror')
      expect(new URL(answer.headers.get('location')!).searchParams.get('error')).toBe('provider_error')
    })

    it('later than 15 minutes is refused', async () => {
      const { browser, back } = await atCallback()
      rig.advance(15 * 60)
      expect((await browser.request(back.href)).status).toBe(400)
      expect(await lastRefusal()).toMatchObject({ facts: { reason: 'state_expired' } })
    })
  })

  describe('at its completion', () => {
    it('five wrong codes end it and destroy the credential', async () => {
      const before = liveTokens()
      const session = await open('bob')
      const done = await walk(session.url, provider, 'bob')
      for (let i = 0; i < 5; i++) expect((await complete(session.id, 'B'.repeat(43), 'bob')).status).toBe(400)
      expect((await complete(session.id, done.searchParams.get('completion_code'), 'bob')).status).toBe(409)
      expect((await statusOf(session.id)).status).toBe('failed')
      expect(liveTokens()).toBe(before)
    })

    it('cannot be done twice, nor before the callback', async () => {
      const session = await open('alice')
      expect((await complete(session.id, 'C'.repeat(43), 'alice')).status).toBe(409)
      const code = (await walk(session.url, provider, 'alice')).searchParams.get('completion_code')
      expect((await complete(session.id, code, 'alice')).status).toBe(200)
      expect((await complete(session.id, code, 'alice')).status).toBe(409)
    })

    it('is the opening app’s alone: to another app the session does not exist', async () => {
      const mine = await rig.app('Mine')
      const other = await rig.app('Other')
      const asMine = await rig.token(mine)
      const opened = await rig.call(
        'POST',
        '/v1/connect-sessions',
        {
          user: { external_id: 'alice' },
          integration,
          scopes: ['openid', 'items:read'],
          return_to: 'http://127.0.0.1:4711/done?tab=2',
        },
        { token: asMine },
      )
      const done = await walk(opened.body.connect_url, provider, 'alice')
      expect(done.href).toContain('http://127.0.0.1:4711/done?tab=2&connect_session=')
      const body = { completion_code: done.searchParams.get('completion_code'), user: { external_id: 'alice' } }
      const path = `/v1/connect-sessions/${opened.body.id}`
      const token = await rig.token(other)
      expect((await rig.call('POST', `${path}/complete`, body, { token })).status).toBe(404)
      expect((await rig.call('GET', path, undefined, { token })).status).toBe(404)
      expect((await rig.call('POST', `${path}/complete`, body, { token: asMine })).status).toBe(200)
    })

    it('never: at the end of its time the credential is destroyed and revoked upstream', async () => {
      const before = liveTokens()
      const session = await open('bob')
      const code = (await walk(session.url, provider, 'bob')).searchParams.get('completion_code')
      expect(liveTokens()).toBeGreaterThan(before)
      rig.advance(15 * 60)
      expect((await complete(session.id, code, 'bob')).status).toBe(410)
      expect(provider.activeTokens().length).toBeLessThanOrEqual(before)
    })
  })

  it('leads back only to a registered URL (row 79)', async () => {
    const app = await rig.app('Strict', ['https://office.example/connected', 'http://127.0.0.1/done'])
    const token = await rig.token(app)
    const attempt = (url: string) =>
      rig.call(
        'POST',
        '/v1/connect-sessions',
        { user: { external_id: 'alice' }, integration, return_to: url },
        { token },
      )
    for (const bad of [
      'https://office.example/connected/../evil',
      'https://office.example/connected/',
      'https://office.example/CONNECTED',
      'https://office.example@evil.example/connected',
      'https://office.example.evil.example/connected',
      'http://office.example/connected',
      'https://office.example:8443/connected',
      'https://office.example/connected#x',
      'http://localhost:5000/done',
      'http://127.0.0.2/done',
      'javascript:alert(1)',
      '//evil.example/connected',
      'https://office.example/%63onnected',
    ])
      expect([bad, (await attempt(bad)).status]).toEqual([bad, 400])
    for (const good of [
      'https://office.example/connected',
      'https://office.example/connected?a=b',
      'http://127.0.0.1:50123/done',
    ])
      expect([good, (await attempt(good)).status]).toEqual([good, 201])
  })

  it('ends as provider_error or provider_unavailable when the token answer is hostile (row 70)', async () => {
    for (const [fault, error] of [
      [{ at: 'token', kind: 'body', status: 200, body: `{"access_token":"x","token_type":"mac"}` }, 'provider_error'],
      [
        {
          at: 'token',
          kind: 'body',
          status: 200,
          body: `{"access_token":"${'x'.repeat(200_000)}","token_type":"bearer"}`,
        },
        'provider_error',
      ],
      [{ at: 'token', kind: 'body', status: 200, body: '['.repeat(5000) }, 'provider_error'],
      [{ at: 'token', kind: 'body', status: 200, body: 'true' }, 'provider_error'],
      [{ at: 'token', kind: 'status', status: 503 }, 'provider_unavailable'],
      [{ at: 'token', kind: 'drop_before' }, 'provider_unavailable'],
    ] as const) {
      provider.script(fault)
      const { browser, back } = await atCallback()
      const ended = await browser.request(back.href)
      expect(new URL(ended.headers.get('location')!).searchParams.get('error')).toBe(error)
      provider.clearScript()
    }
  })

  it('has a page with no script, no frame, no referrer, and a form that leads where it says (rows 38, 77, 105)', async () => {
    const session = await open('alice')
    const answer = await fetch(session.url)
    const text = await answer.text()
    expect(text).not.toMatch(/<script|javascript:|https?:\/\/(?!127\.0\.0\.1)/i)
    const policy = answer.headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain(`form-action 'self' ${new URL(provider.url).origin} http://127.0.0.1:9`)
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    expect(answer.headers.get('x-frame-options')).toBe('DENY')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.getSetCookie()[0]).toMatch(/HttpOnly; SameSite=Lax/)
    expect(text.match(/<form method="post"/g)).toHaveLength(1)
    expect(text).toContain('name="continue"')
    expect(text).toContain('name="decline"')
  })
})
