import { spawnSync } from 'node:child_process'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { serverOfRun } from '../databases.ts'
import { onBoth } from '../rig.ts'
import { type ServerProcess, startServerProcess, withPeople } from '../server-process.ts'

/**
 * An attacker, or a full disk, takes the record away while calls go on. What cannot be recorded is not done: no effect
 * at the provider, no byte to the agent (P2, row 87).
 */
describe.each(onBoth)('a server whose record refuses to be written, on $database', ({ database }) => {
  let server: ServerProcess
  let made: Awaited<ReturnType<typeof withPeople>>
  beforeAll(async () => {
    server = await startServerProcess({ database })
    made = await withPeople(server, ['alice'])
  })
  afterAll(() => server?.close())

  const call = (method: string, path: string, body?: unknown) =>
    server.call(method, `/proxy/${made.people[0]!.connection}${path}`, body, { token: made.people[0]!.token })
  /** PostgreSQL: the role loses its right to the table. SQLite: as on a full disk, no file of the process may grow. */
  async function setWritable(isWritable: boolean): Promise<void> {
    if (server.urls === undefined) {
      const limit = `--fsize=${isWritable ? 'unlimited' : '0'}:unlimited`
      const done = spawnSync('prlimit', ['--pid', String(server.pid), limit], { encoding: 'utf8' })
      if (done.status !== 0) throw new Error(`prlimit of util-linux is needed: ${done.stderr || done.error?.message}`)
      return
    }
    const { adminUrl, servingUrl } = server.urls
    await as(adminUrl, async client => {
      const role = client.escapeIdentifier(decodeURIComponent(new URL(servingUrl).username))
      await client.query(
        `${isWritable ? 'grant' : 'revoke'} insert on audit_events ${isWritable ? 'to' : 'from'} ${role}`,
      )
    })
  }
  const refuseToWrite = () => setWritable(false)
  const writeAgain = () => setWritable(true)

  it('refuses writes with 503 and sends none of them; when it can be written again they go through (P2, row 87)', async () => {
    expect((await call('POST', '/api/items', { title: 'before' })).status).toBe(201)
    await refuseToWrite()
    const { requests } = made.provider
    requests.clear()
    const refused = await Promise.all(
      ['POST', 'PUT', 'DELETE'].map(method =>
        call(method, '/api/items/1', method === 'DELETE' ? undefined : { title: 'unseen' }),
      ),
    )
    for (const { status, body, headers } of refused) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'unavailable' })
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(requests).toHaveLength(0)
    await writeAgain()
    expect((await call('POST', '/api/items', { title: 'after' })).status).toBe(201)
    expect(requests.to('/api/items', 'POST')).toHaveLength(1)
  })

  it('lets no byte of a read out, not even its status (P2)', async () => {
    await refuseToWrite()
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('GET', '/api/me')))
    for (const { status, body, text } of answers) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'unavailable' })
      expect(text).not.toContain('alice')
    }
    await writeAgain()
    expect(await call('GET', '/api/me')).toMatchObject({ status: 200, body: { id: 'alice' } })
  })

  it('does not tell of a refusal either that is not on the record (P2)', async () => {
    await refuseToWrite()
    const denied = await call('POST', '/token', 'grant_type=refresh_token')
    expect({ status: denied.status, code: denied.body.code }).toEqual({ status: 503, code: 'unavailable' })
    await writeAgain()
    const recorded = await call('POST', '/token', 'grant_type=refresh_token')
    expect({ status: recorded.status, code: recorded.body.code }).toEqual({
      status: 403,
      code: 'operation_not_permitted',
    })
  })

  it('changes nothing that it cannot record: a grant, a connection, a task (P2)', async () => {
    const { connection, grant } = made.people[0]!
    await refuseToWrite()
    const ends = [
      await server.asOperator('DELETE', `/v1/grants/${grant}`),
      await server.asOperator('DELETE', `/v1/connections/${connection}`),
      await server.asOperator('POST', '/v1/users', { external_id: 'unrecorded' }),
    ]
    for (const { status } of ends) expect(status).toBeGreaterThanOrEqual(500)
    await writeAgain()
    expect((await server.asOperator('GET', `/v1/grants/${grant}`)).body.status).toBe('active')
    expect((await server.asOperator('GET', '/v1/users?limit=200')).text).not.toContain('unrecorded')
    expect((await call('GET', '/api/me')).status).toBe(200)
  })

  it('breaks nothing by it: the record holds, and the next start needs no repair (P2, P10)', async () => {
    await refuseToWrite()
    expect((await call('POST', '/api/items', { title: 'unseen' })).status).toBe(503)
    await server.kill()
    // The limit of the embedded one died with its process.
    if (database === 'postgres') await writeAgain()
    await server.start()
    expect((await call('POST', '/api/items', { title: 'seen' })).status).toBe(201)
    expect((await server.asOperator('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true })
  })
})

describe('a server that is cut off from its database', () => {
  it('refuses, and works again by itself when it is back (P2, P10, row 87)', async () => {
    const server = await startServerProcess({ database: 'postgres' })
    onTestFinished(() => server.close())
    const made = await withPeople(server, ['alice'])
    const call = (method: string, path: string, body?: unknown) =>
      server.call(method, `/proxy/${made.people[0]!.connection}${path}`, body, { token: made.people[0]!.token })
    await setReachable(server, false)
    const { requests } = made.provider
    requests.clear()
    const refused = await call('POST', '/api/items', { title: 'unseen' })
    expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 503, code: 'unavailable' })
    expect(requests.to('/api/items', 'POST')).toHaveLength(0)
    const unread = await call('GET', '/api/me')
    expect({ status: unread.status, code: unread.body.code }).toEqual({ status: 503, code: 'unavailable' })
    await setReachable(server, true)
    const again = await call('POST', '/api/items', { title: 'seen' })
    expect(again.status).toBe(201)
    expect((await server.asOperator('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true })
  })

  async function setReachable(server: ServerProcess, isReachable: boolean): Promise<void> {
    const name = new URL(server.urls!.adminUrl).pathname.slice(1)
    await as(serverOfRun().adminUrl, async outside => {
      await outside.query(`alter database ${outside.escapeIdentifier(name)} with allow_connections ${isReachable}`)
      if (isReachable) return
      await outside.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    })
  }
})

async function as(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
