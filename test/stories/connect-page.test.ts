import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, openBrowser } from '../browser.ts'
import { idOf, type Rig, startRig } from '../rig.ts'

/** The page where a person says yes, in a real browser: by keyboard, on a narrow screen, without scripts. */
describe.skipIf(findChromium() === undefined)('the connect page in a browser', () => {
  let rig: Rig
  let office: Server
  let returnTo: string
  const visits: string[] = []
  beforeAll(async () => {
    rig = await startRig()
    office = createServer((request, response) => {
      visits.push(request.url ?? '')
      response.setHeader('content-type', 'text/html')
      response.end('<title>Office</title><h1>Welcome back</h1>')
    })
    await new Promise<void>(resolve => office.listen(0, '127.0.0.1', resolve))
    returnTo = `http://127.0.0.1:${(office.address() as { port: number }).port}/done`
    await rig.user('alice')
  })
  afterAll(async () => {
    await new Promise(resolve => office.close(resolve))
    await rig.close()
  })

  async function openSlack(scopes?: readonly string[]): Promise<string> {
    const made = await rig.asOperator('POST', '/v1/integrations', {
      provider: 'slack',
      client_id: 'client',
      client_secret: 'secret-of-slack',
    })
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: idOf(made),
      ...(scopes !== undefined && { scopes }),
      return_to: returnTo,
    })
    idOf(opened)
    return opened.body.connect_url
  }

  it.each([
    ['narrow and light', { width: 320, height: 1400 }],
    ['wide and dark', { width: 1100, height: 1000, dark: true }],
  ])('says in words who asks for what, %s, and fits', async (name, size) => {
    const url = await openSlack(['channels:read', 'channels:history', 'users:read', 'chat:write'])
    const browser = await openBrowser(size)
    try {
      const page = await browser.newPage()
      await page.goto(url)
      const words = await page.textContent('main')
      expect(words).toContain('Connect Slack for alice')
      expect(words).toContain('The operator of this server')
      expect(words).toMatch(/Read and change\s*messages/)
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      ).toBe(0)
      await page.screenshot({ path: `test-output/connect-${name.replaceAll(' ', '-')}.png`, fullPage: true })
    } finally {
      await browser.close()
    }
  })

  it('is walked by keyboard alone, without scripts, and Chromium lets the form lead to the provider and back', async () => {
    const { provider, integration } = await rig.provider({ autoApprove: 'alice' })
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration,
      scopes: ['openid', 'items:read'],
      return_to: returnTo,
    })
    const browser = await openBrowser({ width: 480, javaScriptEnabled: false })
    try {
      const page = await browser.newPage()
      await page.goto(opened.body.connect_url)
      const onButton = () => page.locator('button[name=continue]:focus').count()
      for (let i = 0; i < 10 && (await onButton()) === 0; i++) await page.keyboard.press('Tab')
      expect(await onButton()).toBe(1)
      await Promise.all([page.waitForURL(url => url.href.startsWith(returnTo)), page.keyboard.press('Enter')])
      expect(await page.title()).toBe('Office')
    } finally {
      await browser.close()
    }
    const code = new URL(visits.find(path => path.includes('completion_code'))!, returnTo).searchParams.get(
      'completion_code',
    )
    const done = await rig.asOperator('POST', `/v1/connect-sessions/${opened.body.id}/complete`, {
      completion_code: code,
      user: { external_id: 'alice' },
    })
    expect(done.body.status).toBe('active')
    expect(provider.stats).toBeDefined()
  })
})
