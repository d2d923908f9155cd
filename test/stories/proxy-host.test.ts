import { type IncomingHttpHeaders, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyPath, onBoth, type Rig, startRig } from '../rig.ts'

const domain = 'proxy.example.com'

describe.each(onBoth)('a connection with a host name of its own, on $database', ({ database }) => {
  let rig: Rig
  let connection: string
  let other: string
  let token: string

  beforeAll(async () => {
    rig = await startRig({ database, environment: { VALETKEY_PROXY_DOMAIN: domain } })
    const { provider, integration } = await rig.provider()
    const agent = await rig.agent()
    for (const name of ['alice', 'bob']) await rig.user(name)
    connection = await rig.connect({ user: 'alice', integration, provider })
    other = await rig.connect({ user: 'bob', integration, provider })
    for (const [user, id] of [
      ['alice', connection],
      ['bob', other],
    ] as const)
      await rig.grant({ user: { external_id: user }, agent: agent.id, connection: id, paths: everyPath })
    token = (await rig.task(agent.id, 'alice')).token
  })
  afterAll(() => rig?.close())

  const ask = (label: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    new Promise<{ status: number; text: string; headers: IncomingHttpHeaders }>((resolve, reject) => {
      const sent = request({
        port: Number(new URL(rig.url).port),
        host: '127.0.0.1',
        path,
        headers: { host: `${label}.${domain}`, authorization: `Bearer ${token}`, ...headers },
      })
      sent.on('error', reject)
      sent.on('response', async answer => {
        let text = ''
        for await (const chunk of answer) text += chunk
        resolve({ status: answer.statusCode!, text, headers: answer.headers })
      })
      sent.end()
    })
  const label = (id: string) => id.replace('_', '-')

  it('is called by paths as they are at the provider', async () => {
    const answer = await ask(label(connection), '/api/me?x=1')
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.text)).toMatchObject({ id: 'alice' })
  })

  it('keeps to its name in the links of answers, with our port: an SDK sends its token to no other origin (P7)', async () => {
    const { port } = new URL(rig.url)
    const answer = await ask(label(connection), `/api/redirect?to=${encodeURIComponent('/api/items?page=2')}`)
    expect(answer.headers.location).toBe(`http://${label(connection)}.${domain}:${port}/api/items?page=2`)
    const named = await ask('generic-oidc', `/api/redirect?to=${encodeURIComponent('/~x/y')}`)
    expect(named.headers.location).toMatch(
      new RegExp(`^http://generic-oidc\\.${domain}:${port}/~127\\.0\\.0\\.1:\\d+/~x/y$`),
    )
    const evil = await ask(label(connection), `/api/redirect?to=${encodeURIComponent(`http://${domain}/`)}`)
    expect([evil.headers.location, evil.headers['valetkey-link-removed']]).toEqual([undefined, 'location'])
  })

  it('is judged like every call: not without a token, not for another person (P3, P6)', async () => {
    expect((await ask(label(connection), '/api/me', { authorization: '' })).status).toBe(401)
    expect((await ask(label(other), '/api/me')).status).toBe(404)
    expect((await ask('con-00000000000000000000000000', '/api/me')).status).toBe(404)
  })

  it('has nothing of the server itself below its host, whatever a forwarding header says', async () => {
    for (const path of ['/healthz', '/v1/connections', '/connect/x', `/proxy/${connection}/api/me`])
      expect((await ask('a.b', path)).status).toBe(404)
    const forwarded = { host: new URL(rig.url).host, 'x-forwarded-host': `${label(connection)}.${domain}` }
    expect((await ask('', '/api/me', forwarded)).status).toBe(404)
    expect((await ask('', '/healthz', forwarded)).status).toBe(200)
  })
})
