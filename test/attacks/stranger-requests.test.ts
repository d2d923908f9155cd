import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Rig, startRig } from '../rig.ts'

/** An agent with a narrow grant writes its requests so that the provider might read another one than we do. */
describe('a request that a provider could read as another one', () => {
  let rig: Rig
  let provider: Awaited<ReturnType<Rig['provider']>>['provider']
  let connection: string
  let token: string
  beforeAll(async () => {
    rig = await startRig()
    const made = await rig.provider()
    provider = made.provider
    await rig.user('alice')
    const agent = await rig.agent()
    connection = await rig.connect({ user: 'alice', ...made })
    await rig.grant({
      agent: agent.id,
      connection,
      paths: [
        { methods: ['GET', 'POST'], pattern: '/api/**' },
        { methods: ['POST'], pattern: '/**' },
      ],
    })
    token = (await rig.task(agent.id, 'alice')).token
  })
  afterAll(() => rig.close())

  const ask = (method: string, path: string, body?: string, type = 'application/x-www-form-urlencoded') =>
    rig.call(method, `/proxy/${connection}${path}`, body, {
      token,
      ...(body !== undefined && { headers: { 'content-type': type } }),
    })

  it.each([
    ['GET', '/api/echo?$httpMethod=DELETE'],
    ['GET', '/api/echo?%24httpmethod=DELETE'],
    ['GET', '/api/echo?a=b;$httpHeaders=Authorization%3A%20Bearer%20mine'],
    ['POST', '/api/echo?_method=delete'],
    ['POST', '/api/echo?_HttpMethod=PATCH'],
    ['GET', '/api/echo?X-HTTP-Method-Override=PUT'],
    ['POST', '/api/echo', '_method=delete'],
    ['POST', '/api/echo', 'a=1&%5Fmethod=delete'],
    ['POST', '/api/echo', '{"_method":"delete"}', 'application/json'],
    [
      'POST',
      '/api/echo',
      '--x\r\nContent-Disposition: form-data; name="_method"\r\n\r\nPUT\r\n--x--',
      'multipart/form-data; boundary=x',
    ],
  ])(
    'by a parameter for its method or its headers is refused and not sent: %s %s %s (P3, P7)',
    async (method, path, body?: string, type?: string) => {
      const from = provider.requests.length
      const answer = await ask(method, path, body, type)
      expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
      expect(answer.body.detail).toContain('another one')
      expect(provider.requests.length).toBe(from)
    },
  )

  it.each([
    '/token',
    '/TOKEN',
    '/token/',
    '/token/x',
    '/token.json',
    '/token.',
    '/token%20',
    '/token;x=1',
    '/%74oken',
    '/revoke.json',
    '/introspect.xml',
  ])('at an endpoint where tokens are made and ended is refused in any spelling: %s (P7)', async path => {
    const from = provider.requests.length
    const answer = await ask('POST', path, 'grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange')
    expect([answer.status, answer.body.code]).toEqual([403, 'operation_not_permitted'])
    expect(provider.requests.length).toBe(from)
  })

  it('by a type of its body that stays here, because Connection names it, is refused and not sent (P7)', async () => {
    const { port } = new URL(rig.url)
    const from = provider.requests.length
    const body = '\x01=1&access_token=mine'
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `POST /proxy/${connection}/api/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: image/png\r\nConnection: close, Content-Type\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    let said = ''
    for await (const chunk of socket) said += chunk.toString()
    expect(said.split('\r\n')[0]).toBe('HTTP/1.1 400 Bad Request')
    expect(said).toContain('access_token')
    expect(provider.requests.length).toBe(from)
  })

  it('goes up when it only looks a little like one', async () => {
    const answer = await ask('GET', '/api/echo?method=DELETE&http_methods=a&q=_method')
    expect(answer.status).toBe(200)
  })
})

it.each(['__proto__', 'constructor', 'toString'])('what every object has is no id of ours: %s', async name => {
  const rig = await startRig()
  try {
    const { integration } = await rig.provider()
    await rig.user('alice')
    const { token } = await rig.task((await rig.agent()).id, 'alice')
    expect((await rig.call('GET', `/proxy/${name}/x`, undefined, { token })).status).toBe(404)
    expect((await rig.asOperator('GET', `/v1/providers/${name}`)).status).toBe(404)
    expect((await rig.asOperator('POST', '/v1/integrations', { provider: name })).status).toBe(400)
    const session = { user: { external_id: 'alice' }, integration, resource_types: [name] }
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', session)
    expect([opened.status, opened.body.errors?.[0].pointer]).toEqual([400, '/resource_types'])
  } finally {
    await rig.close()
  }
})
