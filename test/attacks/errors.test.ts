import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allRoutes } from '../../packages/server/src/edges/http/api/all-routes.ts'
import { everyPath, onBoth, type Reply, type Rig, startRig } from '../rig.ts'

/** Bytes as they are, for what no client library would send. Gives everything that comes back. */
function overSocket(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('end', () => resolve(text))
    socket.on('error', reject)
  })
}

/** Bad input gets a clear error: a code, a pointer, a request id, and no word of what is inside (RFC 9457, CONTRACT 3). */
describe.each(onBoth)('errors of the API on $database', ({ database }) => {
  let rig: Rig
  let integration: string
  let connection: string
  let agent: string
  const asOperator = (method: string, path: string, body?: unknown) => rig.asOperator(method, path, body)
  beforeAll(async () => {
    rig = await startRig({ database })
    const made = await rig.provider()
    integration = made.integration
    await rig.user('alice')
    agent = (await rig.agent()).id
    connection = await rig.connect({ user: 'alice', ...made })
  })
  afterAll(() => rig.close())

  function expectProblem(name: string, answer: Reply, status: number, code: string, pointer?: string): void {
    expect([name, answer.status, answer.body?.code]).toEqual([name, status, code])
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    const { type, title, detail, request_id } = answer.body
    expect(answer.body.status).toBe(status)
    for (const text of [type, title, detail])
      expect([name, typeof text, text.length > 5]).toEqual([name, 'string', true])
    expect(request_id).toBe(answer.headers.get('x-request-id'))
    expect(answer.text).not.toMatch(/ at .*\.ts|node_modules|sqlite|postgres|select |insert /i)
    if (pointer !== undefined)
      expect([name, answer.body.errors.map((fault: { pointer: string }) => fault.pointer)]).toEqual([name, [pointer]])
  }

  it('an unknown member of a body is 400 with its pointer, on every route that takes a body', async () => {
    for (const route of allRoutes.filter(route => route.body !== undefined && route.clients.includes('operator'))) {
      const answer = await asOperator(route.method, route.path.replace('{id}', 'x'), { 'un~known/member': 1 })
      const pointers = answer.body.errors.map((fault: { pointer: string }) => fault.pointer)
      expect([route.path, answer.status, pointers.includes('/un~0known~1member')]).toEqual([route.path, 400, true])
    }
    const nested = await asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice', admin: true },
      integration,
    })
    expect(nested.status).toBe(400)
    expect(nested.body.errors.map((fault: { pointer: string }) => fault.pointer)).toContain('/user/admin')
  })

  it('an unknown member of a query is 400', async () => {
    for (const route of allRoutes.filter(route => route.method === 'GET' && route.clients.includes('operator'))) {
      const answer = await asOperator('GET', `${route.path.replace('{id}', 'x')}?colour=red`)
      expect([route.path, answer.status, answer.body.code]).toEqual([route.path, 400, 'validation_failed'])
    }
  })

  it('all faults of a body are told at once', async () => {
    const answer = await asOperator('POST', '/v1/users', { email: 'x', shoe: 1 })
    const pointers = answer.body.errors.map((fault: { pointer: string }) => fault.pointer)
    for (const pointer of ['/external_id', '/email', '/shoe']) expect(pointers).toContain(pointer)
  })

  it('values are not bent into another type: a number is no text, text is no number', async () => {
    for (const [path, body, pointer] of [
      ['/v1/users', { external_id: 7 }, '/external_id'],
      ['/v1/users', { external_id: ['a'] }, '/external_id'],
      ['/v1/users', { external_id: '' }, '/external_id'],
      ['/v1/agents', { name: null }, '/name'],
      ['/v1/apps', { name: 'x', scopes: 'users:read' }, '/scopes'],
      ['/v1/agents', { name: 'x', user: {} }, '/user'],
      ['/v1/agents', { name: 'x', user: { id: 'usr_1' } }, '/user/id'],
    ] as const)
      expectProblem(JSON.stringify(body), await asOperator('POST', path, body), 400, 'validation_failed', pointer)
    const both = await asOperator('POST', '/v1/agents', { name: 'x', user: { id: 'usr_1', external_id: 'alice' } })
    expect(both.status).toBe(400)
  })

  it('a body that names nobody and nothing is 400 at its pointer', async () => {
    const soon = new Date(rig.now() + 60_000).toISOString()
    const grant = { agent, connection, paths: everyPath, expires_at: soon }
    const session = { user: { external_id: 'alice' }, integration, return_to: 'http://127.0.0.1:9/done' }
    const task = { agent, user: { external_id: 'alice' }, purpose: 'x', expires_at: soon }
    for (const [path, body, pointer] of [
      ['/v1/grants', { ...grant, agent: 'agt_none' }, '/agent'],
      ['/v1/grants', { ...grant, connection: 'con_none' }, '/connection'],
      ['/v1/grants', { ...grant, user: { external_id: 'nobody' } }, '/user'],
      ['/v1/grants', { ...grant, task: 'tsk_none' }, '/task'],
      ['/v1/connect-sessions', { ...session, user: { external_id: 'nobody' } }, '/user'],
      ['/v1/connect-sessions', { ...session, integration: 'int_none' }, '/integration'],
      ['/v1/connect-sessions', { ...session, connection: 'con_none' }, '/connection'],
      ['/v1/tasks', { ...task, agent: 'agt_none' }, '/agent'],
      ['/v1/tasks', { ...task, agent: rig.operator.client_id }, '/agent'],
      ['/v1/tasks', { ...task, user: { external_id: 'nobody' } }, '/user'],
      ['/v1/tasks', { ...task, expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
      ['/v1/tasks', { ...task, expires_at: 'tomorrow' }, '/expires_at'],
      ['/v1/agents', { name: 'x', user: { external_id: 'nobody' } }, '/user'],
      ['/v1/integrations', { provider: 'no-such-provider' }, '/provider'],
      ['/v1/users', { external_id: agent }, '/external_id'],
      ['/v1/users', { external_id: 'usr_00000000000000000000000000' }, '/external_id'],
    ] as const)
      expectProblem(`${path} ${pointer}`, await asOperator('POST', path, body), 400, 'validation_failed', pointer)
  })

  it('text that one of the databases could not hold is refused by both', async () => {
    for (const external_id of ['a\u0000b', 'a\ud800b']) {
      const answer = await asOperator('POST', '/v1/users', JSON.stringify({ external_id }))
      expect([external_id.length, answer.status >= 400 && answer.status < 500]).toEqual([external_id.length, true])
    }
  })

  it('a request id that is well formed is taken, any other is replaced; it always comes back (CONTRACT 3)', async () => {
    const token = await rig.token()
    const ask = async (given?: string) => {
      const headers = given === undefined ? {} : { 'x-request-id': given }
      return (await rig.call('GET', '/v1/users', undefined, { token, headers })).headers.get('x-request-id')
    }
    for (const good of ['a', 'A.b_c-9', 'x'.repeat(128)]) expect(await ask(good)).toBe(good)
    for (const bad of ['x'.repeat(129), 'a b', 'a,b', '<script>', 'a/b', ''])
      expect([bad, /^req_[0-9a-z]{26}$/.test((await ask(bad)) ?? '')]).toEqual([bad, true])
    expect(await ask()).toMatch(/^req_[0-9a-z]{26}$/)
    for (const path of ['/nothing', '/healthz', '/oauth/token', '/connect/x', '/proxy/x/y', '/openapi.json'])
      expect([path, (await rig.call('GET', path)).headers.get('x-request-id')]).not.toEqual([path, null])
  })

  it('pages hold 200 rows at most, and a cursor is taken as it was given (CONTRACT 3)', async () => {
    const listings = allRoutes.filter(
      route => route.method === 'GET' && route.query?.cursor !== undefined && route.clients.includes('operator'),
    )
    expect(listings.length).toBeGreaterThanOrEqual(7)
    for (const { path } of listings) {
      for (const limit of ['201', '0', '-1', '1.5', '1e2', 'all', ''])
        expect([path, limit, (await asOperator('GET', `${path}?limit=${limit}`)).status]).toEqual([path, limit, 400])
      expect([path, (await asOperator('GET', `${path}?limit=200`)).status]).toEqual([path, 200])
      for (const cursor of [
        'x',
        '%27%20or%201%3D1',
        'A'.repeat(199),
        Buffer.from("usr_' or 1=1").toString('base64url'),
      ]) {
        const answer = await asOperator('GET', `${path}?cursor=${cursor}`)
        expect([path, cursor, answer.status, answer.body.code]).toEqual([path, cursor, 400, 'validation_failed'])
      }
    }
  })

  it('pages follow one another without a gap or a repetition', async () => {
    for (let i = 0; i < 5; i++) await rig.user(`page-${i}`)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page: Reply = await asOperator('GET', `/v1/users?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)
      expect(page.body.data.length).toBeLessThanOrEqual(2)
      seen.push(...page.body.data.map((row: { external_id: string }) => row.external_id))
      cursor = page.body.next_cursor
    } while (cursor !== null)
    expect(new Set(seen).size).toBe(seen.length)
    for (let i = 0; i < 5; i++) expect(seen).toContain(`page-${i}`)
  })

  it('a body that is no JSON, of another type or above 1 MiB is refused', async () => {
    const token = await rig.token()
    const post = (body: string, type: string) =>
      rig.call('POST', '/v1/users', body, { token, headers: { 'content-type': type } })
    expectProblem('cut', await post('{"external_id":', 'application/json'), 400, 'validation_failed')
    expectProblem('a list', await post('[]', 'application/json'), 400, 'validation_failed')
    expectProblem('null', await post('null', 'application/json'), 400, 'validation_failed')
    expectProblem('empty', await post('', 'application/json'), 400, 'validation_failed')
    expectProblem('text', await post('{"external_id":"x"}', 'text/plain'), 400, 'validation_failed')
    expectProblem('form', await post('external_id=x', 'application/x-www-form-urlencoded'), 400, 'validation_failed')
    expectProblem('xml', await post('<x/>', 'application/xml'), 400, 'validation_failed')
    const proto = '{"external_id":"proto","__proto__":{"admin":true}}'
    expect((await post(proto, 'application/json')).status).toBe(400)
    const large = JSON.stringify({ external_id: 'x'.repeat(1024 * 1024) })
    expectProblem('large', await post(large, 'application/json'), 413, 'payload_too_large')
  })

  it('a stranger’s body is not read before the stranger is known', async () => {
    const answer = await rig.call('POST', '/v1/users', 'x'.repeat(2 * 1024 * 1024), {
      headers: { 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(401)
  })

  it('an unknown path is 404 and a path that cannot be decoded 400, both as problems', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v2/users',
      '/v1/users/x/y',
      '/v1/Users',
      '/v1/users/',
      '/admin',
      '/.env',
      '/v1//users',
    ])
      expectProblem(path, await asOperator('GET', path), 404, 'not_found')
    expectProblem('%', await asOperator('GET', '/v1/users/%'), 400, 'validation_failed')
    expectProblem('%ff', await asOperator('GET', '/v1/users/%ff'), 400, 'validation_failed')
  })

  it('an id that could not be one is 404 like an unknown one', async () => {
    for (const id of [
      'x',
      "' or 1=1 --",
      '%2e%2e',
      'usr_',
      `usr_${'0'.repeat(26)}`,
      `USR_${'0'.repeat(26)}`,
      'a'.repeat(90),
    ])
      for (const kind of [
        'users',
        'integrations',
        'connections',
        'grants',
        'tasks',
        'connect-sessions',
        'agents',
        'apps',
      ])
        expectProblem(
          `${kind} ${id}`,
          await asOperator('GET', `/v1/${kind}/${encodeURIComponent(id)}`),
          404,
          'not_found',
        )
  })

  it('a method that a path does not have opens nothing', async () => {
    const token = await rig.token()
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await rig.call(method, '/v1/users', undefined, { token })
      expect([method, answer.status >= 400 && answer.status < 500]).toEqual([method, true])
      expect([method, answer.text.includes('external_id')]).toEqual([method, false])
    }
    const head = await rig.call('HEAD', '/v1/users', undefined, { token })
    expect([head.status, head.text]).toEqual([200, ''])
    expect((await rig.call('HEAD', '/v1/users')).status).toBe(401)
    for (const override of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      const answer = await rig.call(
        'POST',
        '/v1/users',
        { external_id: 'alice' },
        { token, headers: { [override]: 'DELETE' } },
      )
      expect([override, answer.status]).toEqual([override, 200])
    }
  })

  it.each(['TRACE', 'PROPFIND', 'LINK'])('%s is 405 method_not_allowed everywhere (CONTRACT 3)', async method => {
    for (const path of ['/v1/users', '/healthz', '/nothing']) {
      const answer = await overSocket(
        rig.url,
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer echo-me-not\r\nConnection: close\r\n\r\n`,
      )
      expect([path, answer.split('\r\n')[0]]).toEqual([path, 'HTTP/1.1 405 Method Not Allowed'])
      expect(answer.toLowerCase()).toContain('valetkey-error: method_not_allowed')
      expect(answer).not.toContain('echo-me-not')
    }
  })

  it('CONNECT is 405, an upgrade 501, and what is no HTTP 400 (row 98)', async () => {
    const first = async (bytes: string) => (await overSocket(rig.url, bytes)).split('\r\n')[0]
    expect(await first('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).toContain(' 405 ')
    expect(
      await first('GET /v1/users HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    ).toContain(' 501 ')
    expect(await first('hello\r\n\r\n')).toMatch(/ 40[05] /)
    expect(await first('GET /healthz HTTP/1.1\r\n\r\n')).toContain(' 400 ')
    expect(
      await first(
        'POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    ).toContain(' 400 ')
    expect(await first(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(40_000)}\r\n\r\n`)).toMatch(/ 4\d\d /)
  })
})
