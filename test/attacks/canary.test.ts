import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProvider } from '@valetkey/test-provider'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serverOfRun } from '../databases.ts'
import { Browser, idOf, onBoth, walk } from '../rig.ts'
import { filesUnder, type ServerProcess, startServerProcess } from '../server-process.ts'

/**
 * A word that stands in every token and client secret of a provider is looked for wherever Valetkey leaves anything: its
 * log, its files, its tables, each answer and page that anybody got, its record (P1, rows 7, 24, 26). The provider does
 * what it can to have it written down.
 */
describe.each(onBoth)('a word that stands in every secret of a provider, on $database', ({ database }) => {
  const canary = `kanari${Math.random().toString(36).slice(2, 12)}vogel`
  const otherCanary = `zweiter${Math.random().toString(36).slice(2, 12)}vogel`
  const returnTo = 'http://127.0.0.1:9/done'
  const paths = [{ methods: ['GET', 'POST', 'PUT', 'DELETE'], pattern: '/**' }]
  const ownSecrets = new Set<string>()
  const outputs: string[] = []
  const realFetch = globalThis.fetch
  let answers: Answers
  let server: ServerProcess
  let provider: TestProvider
  let other: TestProvider
  let story: Awaited<ReturnType<typeof tell>>

  beforeAll(async () => {
    server = await startServerProcess({ database })
    answers = listen(server.url)
    story = await tell()
  }, 120_000)
  afterAll(async () => {
    globalThis.fetch = realFetch
    await server?.close()
  })

  it('reached the provider in all its forms, so that it was there to be found', () => {
    const received = provider.requests.map(asText).join('\n')
    expect(received).toContain(`Bearer ${canary}`)
    expect(received).toContain(`refresh_token=${canary}`)
    // The client secret travels in Basic authentication.
    const basic = received.matchAll(/Basic ([A-Za-z0-9+/=]+)/g)
    expect([...basic].some(([, text]) => Buffer.from(text!, 'base64').toString().includes(canary))).toBe(true)
    const [idTokens, others] = [true, false].map(is =>
      provider.allIssuedSecrets().filter(secret => secret.startsWith('eyJ') === is),
    )
    expect(idTokens!.length).toBeGreaterThan(0)
    expect(others!.length).toBeGreaterThan(20)
    expect(others!.every(secret => secret.startsWith(canary))).toBe(true)
    expect(story.reflected.length).toBeGreaterThan(10)
    for (const { as, text } of story.reflected) expect(text, as).toContain('*')
  })

  it('is in no answer and on no page that anybody got (P1, row 7)', async () => {
    const heard = await answers.all()
    expect(heard.length).toBeGreaterThan(80)
    expect(heard.some(text => text.includes('<form'))).toBe(true)
    expect(heard.some(text => text.includes('"code":"needs_reauth"'))).toBe(true)
    expect(hitsIn(heard)).toEqual([])
  })

  it('is in no line of the log and in no output of a command (row 24)', () => {
    expect(server.said()).toContain('valetkey ready')
    expect(server.said()).toContain('"level":"error"')
    expect(hitsIn([server.said()])).toEqual([])
    expect(outputs.join('')).toContain('access.allowed')
    expect(hitsIn(outputs)).toEqual([])
    for (const secret of ownSecrets) expect(server.said().includes(secret)).toBe(false)
  })

  it('is in no event of the record (P1, row 24)', async () => {
    const events: string[] = []
    let cursor: string | null = null
    do {
      const at: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = await server.asOperator('GET', `/v1/audit/events?limit=200${at}`)
      events.push(...page.body.data.map((event: unknown) => JSON.stringify(event)))
      cursor = page.body.next_cursor
    } while (cursor !== null)
    const types = new Set(events.map(event => JSON.parse(event).type))
    for (const type of [
      'connection.created',
      'connection.refused',
      'connection.refreshed',
      'connection.refresh_failed',
      'connection.needs_reauth',
      'connection.deleted',
      'access.allowed',
      'access.denied',
      'secret_echo',
    ])
      expect(types).toContain(type)
    expect(hitsIn(events)).toEqual([])
  })

  it('is in no file and in no table, and neither is a secret of ours (P1, row 26)', async () => {
    const running = await tables()
    await server.kill()
    const files = [...filesUnder(server.parent), ...running.files]
    const rows = [...running.rows]
    expect(files.some(({ bytes }) => bytes.includes(story.connection))).toBe(true)
    if (database === 'postgres') expect(rows.some(row => row.includes(story.connection))).toBe(true)
    const needles = [...needlesOf(), ...ownSecrets]
    const hits = [
      ...files.flatMap(({ path, bytes }) => needles.filter(needle => bytes.includes(needle)).map(() => path)),
      ...rows.filter(row => needles.some(needle => row.includes(needle))),
    ]
    expect(hits).toEqual([])
    await server.start()
  })

  it('went to no other host, and the token of the agent to no host at all (P7, rows 7, 22)', () => {
    const here = provider.requests.map(asText).join('\n')
    const there = other.requests.map(asText).join('\n')
    expect(there).toContain(`Bearer ${otherCanary}`)
    expect(spellings(canary).filter(needle => there.includes(needle))).toEqual([])
    expect(spellings(otherCanary).filter(needle => here.includes(needle))).toEqual([])
    for (const secret of ownSecrets) {
      expect(here.includes(secret)).toBe(false)
      expect(there.includes(secret)).toBe(false)
    }
  })

  /** Everything that can go well or wrong with a connection, with a provider that quotes secrets wherever it may. */
  async function tell() {
    const main = await server.provider({ canary, accessTokenSeconds: 3_600 })
    provider = main.provider
    const second = await server.provider({ canary: otherCanary })
    other = second.provider
    for (const name of ['alice', 'bob', 'mallory']) await server.user(name)
    const agent = await server.agent()
    ownSecrets.add(agent.client_secret)
    const { token } = await server.task(agent.id, 'alice')
    ownSecrets.add(token)
    ownSecrets.add(await server.token())
    ownSecrets.add(await server.token(agent))
    const call = (method: string, path: string, body?: unknown) =>
      server.call(method, path, body, {
        token,
        headers: {
          cookie: `stolen=${token}`,
          'x-forwarded-for': token,
          'x-api-key': token,
          'proxy-authorization': `Bearer ${token}`,
        },
      })
    const connected = async (given: { provider: TestProvider; integration: string }) => {
      const connection = await server.connect({ user: 'alice', ...given })
      await server.grant({ user: { external_id: 'alice' }, agent: agent.id, connection, paths })
      return connection
    }

    // Connecting: well, declined, by somebody else, forged, and with a token endpoint that quotes what it was given.
    let connection = await connected(main)
    const elsewhere = await connected(second)
    const declined = await open(main.integration)
    await walkTo(declined.url, url => provider.approve(url, { user: 'alice', deny: true }))
    const mixed = await open(main.integration, 'mallory')
    const code = (await walk(mixed.url, provider, 'bob')).searchParams.get('completion_code')
    await complete(mixed.id, code, 'bob')
    const forged = await open(main.integration)
    await walkTo(forged.url, async url => {
      const back = new URL(await provider.approve(url, { user: 'alice' }))
      back.searchParams.set('state', 'x'.repeat(43))
      return back.href
    })
    for (const body of hostileAnswers()) {
      const session = await open(main.integration)
      provider.script({ at: 'token', kind: 'body', ...body })
      await walkTo(session.url, url => provider.approve(url, { user: 'alice' }))
      provider.clearScript()
    }
    const confused = await open(main.integration)
    provider.script({ at: 'userinfo', kind: 'body', body: `not JSON: ${canary}`, status: 200, times: 5 })
    await walkTo(confused.url, url => provider.approve(url, { user: 'alice' }))
    provider.clearScript()

    // Calling: the token comes back in every way that the provider knows.
    const reflected: { as: string; text: string }[] = []
    for (const as of ['verbatim', 'authorization', 'percent', 'base64', 'json', 'header', 'split']) {
      for (let time = 0; time < 2; time++) {
        const answer = await call('GET', `/proxy/${connection}/api/reflect?as=${as}`)
        expect(answer.status).toBe(200)
        reflected.push({ as, text: as === 'header' ? JSON.stringify([...answer.headers]) : answer.text })
      }
    }
    await call('GET', `/proxy/${connection}/api/reflect?as=trailer`)
    await call('GET', `/proxy/${connection}/api/reflect?as=gzip`)
    expect((await call('POST', `/proxy/${connection}/api/echo`, { hello: 'world' })).status).toBe(200)
    for (const path of ['/api/me', '/api/items', '/api/nothing', '/api/status/500', '/api/status/403'])
      await call('GET', `/proxy/${connection}${path}`)
    await call('GET', `/proxy/${connection}/api/redirect?to=${encodeURIComponent(`${other.url}/api/echo`)}`)
    await call('GET', `/proxy/${connection}/~${new URL(other.url).host}/api/echo`)
    await call('GET', `/proxy/${elsewhere}/api/me`)
    await call('GET', `/proxy/${connection}/../secret`)
    await call('POST', `/proxy/${connection}/token`, 'grant_type=refresh_token')
    await call('GET', `/proxy/${connection}/api/me?access_token=guess`)
    const bobs = await server.task(agent.id, 'bob')
    ownSecrets.add(bobs.token)
    await server.call('GET', `/proxy/${connection}/api/me`, undefined, { token: bobs.token })
    await server.call('GET', `/proxy/${connection}/api/me`, undefined, { token: `${token}x` })
    provider.script({ at: 'api', kind: 'half_answer' })
    await call('GET', `/proxy/${connection}/api/items`).catch(() => undefined)
    provider.script({ at: 'api', kind: 'drop_before' })
    await call('GET', `/proxy/${connection}/api/items`)
    provider.clearScript()

    // Renewing: well, beside a failing endpoint, after a 401, and refused by an endpoint that quotes the refresh token.
    const refresh = () => server.asOperator('POST', `/v1/connections/${connection}/refresh`)
    expect((await refresh()).status).toBe(200)
    provider.expireAccessTokens('alice')
    expect((await call('GET', `/proxy/${connection}/api/me`)).status).toBe(200)
    provider.script({ at: 'token', kind: 'status', status: 503, body: { error: 'down', error_description: canary } })
    expect((await refresh()).status).toBe(503)
    for (const body of hostileAnswers()) {
      provider.script({ at: 'token', kind: 'body', ...body })
      await refresh()
      await call('GET', `/proxy/${connection}/api/me`)
      await server.asOperator('GET', `/v1/connections/${connection}`)
      await server.asOperator('GET', `/v1/connections/${connection}/check`)
      provider.clearScript()
      connection = await connected(main)
    }

    // Wrong bodies that hold a secret, and changes of the integration.
    const integration = `/v1/integrations/${main.integration}`
    const spoiled = [
      `{"client_secret": "${main.secret}", `,
      `{"client_secret": "${main.secret}", "unknown": 1}`,
      `{"client_secret": ["${main.secret}"]}`,
      `{"overrides": {"token_endpoint": "${other.url}/token"}}`,
      `{"client_secret": "${main.secret}", "overrides": {"token_endpoint": "not a url ${canary}"}}`,
    ]
    const json = { token: await server.token(), headers: { 'content-type': 'application/json' } }
    for (const body of spoiled) {
      const answer = await server.call('PATCH', integration, body, json)
      expect(answer.status).toBe(400)
    }
    const form = `grant_type=client_credentials&client_id=${agent.client_id}&client_secret=${main.secret}`
    await server.call('POST', '/oauth/token', form, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect((await server.asOperator('PATCH', integration, { client_secret: main.secret })).status).toBe(200)

    // Killed in the middle of calls and of a renewal.
    const hold = provider.hold('token')
    provider.expireAccessTokens('alice')
    const calls = Promise.allSettled(
      Array.from({ length: 20 }, () => call('GET', `/proxy/${connection}/api/reflect?as=verbatim`)),
    )
    await hold.arrived
    await server.kill()
    hold.release()
    await calls
    await server.start()

    // Disconnected, with a revocation endpoint that quotes the token; and what a changed destination leaves behind.
    connection = await connected(main)
    provider.script({ at: 'revoke', kind: 'body', status: 400, body: { error: canary, error_description: canary } })
    expect((await server.asOperator('DELETE', `/v1/connections/${connection}`)).status).toBe(200)
    provider.clearScript()
    await call('GET', `/proxy/${connection}/api/me`)
    connection = await connected(main)
    const moved = { client_secret: main.secret, overrides: { issuer: other.issuer } }
    expect((await server.asOperator('PATCH', integration, moved)).status).toBe(200)
    expect((await call('GET', `/proxy/${connection}/api/me`)).body.code).toBe('needs_reauth')
    for (const path of [
      '/v1/connections',
      '/v1/integrations',
      '/v1/grants',
      '/v1/agents',
      '/v1/users',
      '/openapi.json',
    ])
      await server.asOperator('GET', path)
    for (const args of [['doctor'], ['audit', 'query'], ['audit', 'verify'], ['connections', 'list']]) {
      const { out } = await server.command(...args, '--data', server.folder, '--json')
      outputs.push(out)
    }
    return { connection, reflected }
  }

  function hostileAnswers(): readonly { readonly status: number; readonly body: string | object }[] {
    return [
      {
        status: 400,
        body: { error: 'invalid_grant', error_description: `the token ${canary} is spent`, error_uri: canary },
      },
      { status: 400, body: { error: canary } },
      { status: 401, body: { error: 'invalid_client', error_description: canary } },
      { status: 200, body: `this is no JSON: ${canary}` },
      { status: 200, body: { access_token: `${canary}1`, token_type: canary, expires_in: canary } },
      { status: 200, body: { error: canary, [canary]: canary } },
      { status: 502, body: `<h1>${canary}</h1>` },
    ]
  }

  async function open(integration: string, user = 'alice') {
    const opened = await server.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: user },
      integration,
      scopes: ['openid', 'email', 'offline_access', 'items:read', 'items:write'],
      return_to: returnTo,
    })
    return { id: idOf(opened), url: opened.body.connect_url as string }
  }

  async function walkTo(connectUrl: string, consent: (url: string) => Promise<string>): Promise<void> {
    const browser = new Browser()
    const left = await browser.press(connectUrl, 'continue')
    const ended = await browser.request(await consent(left.headers.get('location')!))
    await ended.text()
  }

  const complete = (id: string, code: string | null, user: string) =>
    server.asOperator('POST', `/v1/connect-sessions/${id}/complete`, {
      completion_code: code,
      user: { external_id: user },
    })

  function needlesOf(): string[] {
    // Codes and id tokens are made without the word.
    const more = [provider, other].flatMap(one => [...one.allIssuedCodes(), ...one.allIssuedSecrets()])
    return [...spellings(canary), ...spellings(otherCanary), ...more]
  }

  /** Where it stands, with a little around it. */
  function hitsIn(texts: readonly string[]): string[] {
    const needles = needlesOf()
    return texts.flatMap(text =>
      needles
        .map(needle => text.indexOf(needle))
        .filter(at => at >= 0)
        .map(at => text.slice(Math.max(0, at - 120), at + 80)),
    )
  }

  /** PostgreSQL: each row of each table as text, and the files of the cluster if this run has started it. */
  async function tables(): Promise<{ rows: string[]; files: { path: string; bytes: Buffer }[] }> {
    if (server.urls === undefined) return { rows: [], files: [] }
    const client = new pg.Client({ connectionString: server.urls.adminUrl })
    await client.connect()
    try {
      const found = await client.query(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
      )
      const rows: string[] = []
      for (const { name } of found.rows) {
        const all = await client.query(`select it::text as row from ${name} it`)
        rows.push(...all.rows.map(({ row }) => String(row)))
      }
      if (serverOfRun().how === 'DATABASE_URL') return { rows, files: [] }
      await client.query('checkpoint')
      const place = await client.query(
        `select current_setting('data_directory') as data, oid from pg_database where datname = current_database()`,
      )
      const { data, oid } = place.rows[0]
      const files = filesUnder(join(data, 'base', String(oid)))
      const segment = await client.query('select pg_walfile_name(pg_current_wal_lsn()) as name')
      const wal = join(data, 'pg_wal', segment.rows[0].name)
      return { rows, files: [...files, { path: wal, bytes: readFileSync(wal) }] }
    } finally {
      await client.end()
    }
  }
})

/** How a word may be written: as it is, percent- and JSON-escaped, in hex, and in base64 at each alignment. */
function spellings(word: string): string[] {
  const bytes = Buffer.from(word)
  const hex = bytes.toString('hex')
  const percent = hex.replace(/../g, '%$&')
  const escaped = [...word].map(letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  const base64 = [0, 1, 2].map(lead => {
    // What the neighbours decide is left off at both ends.
    const text = Buffer.concat([Buffer.alloc(lead), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    return text.slice(lead === 0 ? 0 : lead + 1, -1)
  })
  const cases = [hex, percent, escaped].flatMap(text => [text, text.toUpperCase(), percentUpper(text)])
  return [...new Set([word, ...cases, ...base64])]
}

const percentUpper = (text: string) => text.replace(/[0-9a-f]{2,4}/g, digits => digits.toUpperCase())

function asText(request: TestProvider['requests'][number]): string {
  return `${request.method} ${request.target}\n${request.rawHeaders.join('\n')}\n${request.body}`
}

interface Answers {
  all(): Promise<readonly string[]>
}

/** Hears every answer of the server from now on: head and body, as its client got them. */
function listen(origin: string): Answers {
  const real = globalThis.fetch
  const heard: Promise<string>[] = []
  globalThis.fetch = async (input, init) => {
    const answer = await real(input, init)
    const url = input instanceof Request ? input.url : String(input)
    if (url.startsWith(origin)) {
      const head = [answer.status, ...[...answer.headers].flat(), ''].join('\n')
      const copy = answer.clone()
      heard.push(
        copy.text().then(
          body => head + body,
          () => head,
        ),
      )
    }
    return answer
  }
  return { all: () => Promise.all(heard) }
}
