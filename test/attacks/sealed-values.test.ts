import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateSigningKey } from '../../packages/server/src/engines/signer/signing-key.ts'
import { type RawDatabase, rawDatabase } from '../raw-database.ts'
import { everyPath, onBoth, type Rig, startRig, walk } from '../rig.ts'

const canary = 'CANARY-of-the-provider-'

/** Every byte of every file below a folder. */
function bytesBelow(folder: string): Buffer[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
    .map(path => readFileSync(path))
}

/** The forms in which a secret could lie somewhere without being seen at first sight. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')]
}

/**
 * Somebody has the database: to read it, a copy of it, or to write into it. It must be of no use (rows 24, 25, 26, P1,
 * P6).
 */
describe.each(onBoth)('the database on $database', ({ database }) => {
  let rig: Rig
  let raw: RawDatabase
  let made: Awaited<ReturnType<Rig['provider']>>
  let agent: Awaited<ReturnType<Rig['agent']>>
  let alice: string
  let bob: string
  const said: string[] = []
  beforeAll(async () => {
    rig = await startRig({ database })
    raw = rawDatabase(rig)
    made = await rig.provider({ canary })
    await rig.user('alice')
    await rig.user('bob')
    agent = await rig.agent()
    alice = await rig.connect({ user: 'alice', ...made })
    bob = await rig.connect({ user: 'bob', ...made })
    for (const connection of [alice, bob]) await rig.grant({ agent: agent.id, connection, paths: everyPath })
  })
  afterAll(() => rig.close())

  async function secretsOfOurs(): Promise<Record<string, string>> {
    const app = await rig.app()
    const task = await rig.task(agent.id, 'alice')
    const opened = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'alice' },
      integration: made.integration,
      scopes: ['openid', 'items:read', 'offline_access'],
      return_to: 'http://127.0.0.1:9/done',
    })
    const link = opened.body.connect_url.split('/connect/')[1]
    const left = await rig.asOperator('POST', '/v1/connect-sessions', {
      user: { external_id: 'bob' },
      integration: made.integration,
      return_to: 'http://127.0.0.1:9/done',
    })
    const done = await walk(opened.body.connect_url, made.provider, 'alice')
    const rotated = await rig.asOperator('POST', `/v1/agents/${agent.id}/secrets`, {})
    return {
      'the operator’s secret': rig.operator.client_secret,
      'an agent’s secret': agent.client_secret,
      'an agent’s second secret': rotated.body.client_secret,
      'an app’s secret': app.client_secret,
      'a task token': task.token,
      'an operator’s token': await rig.token(),
      'a connect link': link,
      'an open connect link': left.body.connect_url.split('/connect/')[1],
      'a completion code': done.searchParams.get('completion_code')!,
      'an integration’s secret': 'integration-secret-0123456789abcdef',
    }
  }

  it('holds no secret in clear: not a provider’s, not ours, in no table, no file and no log (rows 24, 25, 26, P1)', async () => {
    const ours = await secretsOfOurs()
    await rig.asOperator('POST', `/v1/connections/${alice}/refresh`)
    await rig.asOperator('GET', `/v1/connections/${alice}/check`)
    const { token } = await rig.task(agent.id, 'alice')
    const called = await rig.call('GET', `/proxy/${alice}/api/items`, undefined, { token })
    expect(called.status).toBe(200)
    said.push(called.text, JSON.stringify([...called.headers]))
    for (const path of ['connections', 'integrations', 'grants', 'agents', 'apps', 'users', 'audit/events?limit=200'])
      said.push((await rig.asOperator('GET', `/v1/${path}`)).text)

    const issued = [...made.provider.allIssuedSecrets(), ...made.provider.allIssuedCodes()]
    expect(issued.filter(secret => secret.startsWith(canary)).length).toBeGreaterThanOrEqual(6)
    const dump = await raw.dump()
    expect(dump).toContain('sealed_access_token')
    expect(dump).toContain(alice)
    const files = bytesBelow(join(rig.folder, '..', 'data'))
    expect(files.length).toBeGreaterThan(0)
    const logs = rig.logs.join('\n')
    const haystacks = { dump: Buffer.from(dump), logs: Buffer.from(logs), answers: Buffer.from(said.join('\n')) }
    const sought = {
      ...ours,
      'the canary': canary,
      ...Object.fromEntries(issued.map((value, i) => [`issued ${i}`, value])),
    }
    for (const [name, secret] of Object.entries(sought)) {
      expect([name, secret.length > 10]).toEqual([name, true])
      for (const form of formsOf(secret)) {
        for (const [where, bytes] of Object.entries(haystacks))
          expect([name, where, bytes.includes(form)]).toEqual([name, where, false])
        for (const file of files) expect([name, 'files', file.includes(form)]).toEqual([name, 'files', false])
      }
    }
  })

  it('copied out is no way in: what stands there as hash authenticates nobody (row 26)', async () => {
    const rows = await raw.run('select id, secret_hash from clients where secret_hash is not null')
    expect(rows.length).toBeGreaterThan(1)
    for (const { id, secret_hash } of rows) {
      for (const guess of [secret_hash, ...(String(secret_hash).match(/[A-Za-z0-9_-]{43}/g) ?? [])]) {
        const answer = await rig.call('POST', '/oauth/token', 'grant_type=client_credentials', {
          headers: {
            authorization: `Basic ${Buffer.from(`${id}:${encodeURIComponent(String(guess))}`).toString('base64')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
        })
        expect(answer.status).toBe(401)
      }
    }
    const sessions = await raw.run('select link_hash, completion_hash from connect_sessions')
    for (const { link_hash } of sessions)
      expect(
        (await fetch(`${rig.url}/connect/${encodeURIComponent(String(link_hash))}`)).status,
      ).toBeGreaterThanOrEqual(400)
  })

  const columns = ['generation', 'sealed_access_token', 'sealed_refresh_token', 'destination_digest'] as const
  async function credentialOf(connection: string): Promise<Record<string, string | number | null>> {
    const [row] = await raw.run(`select ${columns.join(', ')} from credentials where connection_id = ?`, [connection])
    return row as Record<string, string | number | null>
  }
  async function put(connection: string, row: Readonly<Record<string, string | number | null>>): Promise<void> {
    const names = Object.keys(row)
    await raw.run(`update credentials set ${names.map(name => `${name} = ?`).join(', ')} where connection_id = ?`, [
      ...names.map(name => row[name]!),
      connection,
    ])
  }
  /** Tries everything that would move a token and tells which of the provider's secrets went over the wire. */
  async function tryAll(connection: string, owner: string): Promise<string[]> {
    const from = made.provider.requests.length
    const { token } = await rig.task(agent.id, owner)
    const answers = [
      await rig.asOperator('POST', `/v1/connections/${connection}/refresh`),
      await rig.asOperator('GET', `/v1/connections/${connection}/check`).catch(() => undefined),
      await rig.call('GET', `/proxy/${connection}/api/items`, undefined, { token }),
    ]
    for (const answer of answers) {
      if (answer === undefined) continue
      expect(answer.status === 200 && answer.body.ok !== false && !('status' in answer.body)).toBe(false)
      for (const secret of made.provider.allIssuedSecrets()) expect(answer.text).not.toContain(secret)
    }
    const sent = made.provider.requests.slice(from).map(request => JSON.stringify(request))
    return made.provider.allIssuedSecrets().filter(secret => sent.some(text => text.includes(secret)))
  }

  describe('written into gives nobody somebody else’s token (row 25, P6)', () => {
    it('with the sealed tokens of two connections swapped neither opens, and no token moves', async () => {
      const [ofAlice, ofBob] = [await credentialOf(alice), await credentialOf(bob)]
      try {
        await put(alice, ofBob)
        await put(bob, ofAlice)
        expect(await tryAll(alice, 'alice')).toEqual([])
        expect(await tryAll(bob, 'bob')).toEqual([])
      } finally {
        await put(alice, ofAlice)
        await put(bob, ofBob)
      }
    })

    it('with access and refresh token of one connection exchanged nothing opens', async () => {
      const row = await credentialOf(alice)
      try {
        await put(alice, {
          sealed_access_token: row.sealed_refresh_token!,
          sealed_refresh_token: row.sealed_access_token!,
        })
        expect(await tryAll(alice, 'alice')).toEqual([])
      } finally {
        await put(alice, row)
      }
    })

    it('with an older sealed token at a newer generation nothing opens', async () => {
      const before = await credentialOf(alice)
      await raw.run(`update connections set status = 'active', reason = null where id = ?`, [alice])
      const renewed = await rig.asOperator('POST', `/v1/connections/${alice}/refresh`)
      expect(renewed.status).toBe(200)
      const after = await credentialOf(alice)
      expect(after.generation).not.toBe(before.generation)
      try {
        await put(alice, {
          sealed_access_token: before.sealed_access_token!,
          sealed_refresh_token: before.sealed_refresh_token!,
        })
        expect(await tryAll(alice, 'alice')).toEqual([])
      } finally {
        await put(alice, after)
      }
    })

    it('with a connection given to another user its token does not open', async () => {
      const [row] = await raw.run('select user_id from connections where id = ?', [alice])
      const [other] = await raw.run('select user_id from connections where id = ?', [bob])
      try {
        await raw.run('update connections set user_id = ? where id = ?', [other!.user_id as string, alice])
        expect(await tryAll(alice, 'bob')).toEqual([])
      } finally {
        await raw.run('update connections set user_id = ? where id = ?', [row!.user_id as string, alice])
      }
    })

    it('with a connection moved to another integration its token goes nowhere', async () => {
      const other = await rig.provider()
      try {
        await raw.run('update connections set integration_id = ? where id = ?', [other.integration, alice])
        expect(await tryAll(alice, 'alice')).toEqual([])
        const sent = JSON.stringify(other.provider.requests)
        for (const secret of made.provider.allIssuedSecrets()) expect(sent).not.toContain(secret)
      } finally {
        await raw.run('update connections set integration_id = ? where id = ?', [made.integration, alice])
      }
    })

    it('with an integration’s destinations changed neither its secret nor a token reaches them (row 75, P7)', async () => {
      const evil = (await rig.provider()).provider
      const [row] = await raw.run('select overrides, destination_digest from integrations where id = ?', [
        made.integration,
      ])
      try {
        await raw.run('update integrations set overrides = ? where id = ?', [
          JSON.stringify({
            ...JSON.parse(row!.overrides as string),
            tokenEndpoint: `${evil.url}/oauth/token`,
            userinfoEndpoint: `${evil.url}/userinfo`,
            revocationEndpoint: `${evil.url}/oauth/revoke`,
          }),
          made.integration,
        ])
        await rig.asOperator('POST', `/v1/connections/${alice}/refresh`)
        await rig.asOperator('GET', `/v1/connections/${alice}/check`)
        const looked = await rig.asOperator('GET', '/v1/doctor')
        expect(looked.body.checks.find((check: { id: string }) => check.id === 'integrations')).toMatchObject({
          ok: false,
          next: expect.stringContaining('client_secret'),
        })
        const sent = JSON.stringify(evil.requests)
        for (const secret of [...made.provider.allIssuedSecrets(), 'integration-secret-0123456789abcdef', canary])
          expect(sent).not.toContain(secret)
      } finally {
        await raw.run('update integrations set overrides = ? where id = ?', [
          row!.overrides as string,
          made.integration,
        ])
      }
    })

    it('with the client secrets of two integrations swapped neither authenticates anybody', async () => {
      const other = await rig.provider()
      const sealedOf = async (id: string) =>
        (await raw.run('select sealed_client_secret as sealed from integrations where id = ?', [id]))[0]!
          .sealed as string
      const [mine, theirs] = [await sealedOf(made.integration), await sealedOf(other.integration)]
      const set = (id: string, sealed: string) =>
        raw.run('update integrations set sealed_client_secret = ? where id = ?', [sealed, id])
      try {
        await set(made.integration, theirs)
        await set(other.integration, mine)
        const from = made.provider.requests.to('token').length
        const refreshed = await rig.asOperator('POST', `/v1/connections/${alice}/refresh`)
        expect(refreshed.status).toBeGreaterThanOrEqual(400)
        expect(made.provider.requests.to('token').length).toBe(from)
      } finally {
        await set(made.integration, mine)
        await set(other.integration, theirs)
      }
    })

    describe('through a connect session', () => {
      const opened = async (user: string, repairs?: string) => {
        const answer = await rig.asOperator('POST', '/v1/connect-sessions', {
          user: { external_id: user },
          integration: made.integration,
          scopes: ['openid', 'items:read', 'offline_access'],
          return_to: 'http://127.0.0.1:9/done',
          ...(repairs !== undefined && { connection: repairs }),
        })
        const done = await walk(answer.body.connect_url, made.provider, user)
        return { id: answer.body.id as string, code: done.searchParams.get('completion_code') }
      }
      const complete = (session: { id: string; code: string | null }, user: string) =>
        rig.asOperator('POST', `/v1/connect-sessions/${session.id}/complete`, {
          completion_code: session.code,
          user: { external_id: user },
        })
      const set = (session: string, column: string, value: string) =>
        raw.run(`update connect_sessions set ${column} = ? where id = ?`, [value, session])
      const idOfUser = async (name: string) =>
        (await rig.asOperator('GET', `/v1/users?external_id=${name}`)).body.data[0].id as string
      const connectionsOf = async (name: string) =>
        (await rig.asOperator('GET', `/v1/connections?user_external_id=${name}&status=active&limit=200`)).body.data.map(
          (row: { id: string }) => row.id,
        )

      it('that was given to another user after it was walked connects nobody (row 2)', async () => {
        const before = [await connectionsOf('alice'), await connectionsOf('bob')]
        const session = await opened('alice')
        await set(session.id, 'user_id', await idOfUser('bob'))
        const answer = await complete(session, 'bob')
        expect([answer.status, answer.body.code]).toEqual([409, 'conflict'])
        expect([await connectionsOf('alice'), await connectionsOf('bob')]).toEqual(before)
      })

      it('that was pointed at the pending connection of another one connects nobody', async () => {
        const before = [await connectionsOf('alice'), await connectionsOf('bob')]
        const [ofAlice, ofBob] = [await opened('alice'), await opened('bob')]
        const [row] = await raw.run('select connection_id from connect_sessions where id = ?', [ofAlice.id])
        await set(ofBob.id, 'connection_id', row!.connection_id as string)
        expect((await complete(ofBob, 'bob')).status).toBe(409)
        expect([await connectionsOf('alice'), await connectionsOf('bob')]).toEqual(before)
      })

      it('that was pointed at another’s connection to repair leaves that one as it was', async () => {
        const before = await credentialOf(bob)
        const session = await opened('alice', alice)
        await set(session.id, 'repairs', bob)
        expect((await complete(session, 'alice')).status).toBe(409)
        expect(await credentialOf(bob)).toEqual(before)
        const shown = await rig.asOperator('GET', `/v1/connect-sessions/${session.id}`)
        expect(shown.body).toMatchObject({ status: 'failed', error: 'completion_failed' })
      })
    })

    it('and put back as it was, everything works again', async () => {
      await raw.run(`update connections set status = 'active', reason = null where id in (?, ?)`, [alice, bob])
      for (const connection of [alice, bob]) {
        const answer = await rig.asOperator('POST', `/v1/connections/${connection}/refresh`)
        expect([answer.status, answer.body.status]).toEqual([200, 'active'])
      }
    })
  })

  it('with a signing key of the writer’s own verifies no token by it (row 28, P6)', async () => {
    await rig.token()
    const [row] = await raw.run('select * from signing_keys order by created_at desc')
    const mine = await generateSigningKey()
    const forge = async () => {
      const now = Math.floor(rig.now() / 1000)
      return new SignJWT({
        client_id: rig.operator.client_id,
        scope: 'users:read audit:read',
        tenant: rig.tenant,
        jti: `forged-${now}`,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: mine.kid })
        .setIssuer(rig.url)
        .setAudience(rig.url)
        .setSubject(rig.operator.client_id)
        .setIssuedAt(now)
        .setExpirationTime(now + 600)
        .sign(await importJWK(JSON.parse(mine.privateJwk.reveal()), 'ES256'))
    }
    const isTaken = async () => {
      // Past the cool-down, so that the keys are read again.
      rig.advance(2)
      return (await rig.call('GET', '/v1/users', undefined, { token: await forge() })).status
    }
    expect(await isTaken()).toBe(401)
    const insert = (kid: string, sealed: string) =>
      raw.run(
        'insert into signing_keys (tenant_id, kid, public_jwk, sealed_private_jwk, created_at) values (?, ?, ?, ?, ?)',
        [rig.tenant, kid, JSON.stringify(mine.publicJwk), sealed, (row!.created_at as number) - 1],
      )
    try {
      await insert(mine.kid, row!.sealed_private_jwk as string)
      expect(await isTaken()).toBeGreaterThanOrEqual(401)
      expect((await rig.call('GET', '/oauth/jwks')).text).not.toContain(mine.kid)
    } finally {
      await raw.run('delete from signing_keys where kid = ?', [mine.kid])
    }
    await raw.run('update signing_keys set public_jwk = ? where kid = ?', [
      JSON.stringify(mine.publicJwk),
      row!.kid as string,
    ])
    expect(await isTaken()).toBe(401)
    await raw.run('update signing_keys set public_jwk = ? where kid = ?', [
      row!.public_jwk as string,
      row!.kid as string,
    ])
    expect((await rig.asOperator('GET', '/v1/users')).status).toBe(200)
  })

  it('after a disconnect holds no sealed token any more (row 74)', async () => {
    const gone = await rig.connect({ user: 'alice', ...made })
    const [row] = await raw.run(
      'select sealed_access_token, sealed_refresh_token from credentials where connection_id = ?',
      [gone],
    )
    const ended = await rig.asOperator('DELETE', `/v1/connections/${gone}`)
    expect([ended.status, ended.body.erased]).toEqual([200, true])
    expect(await raw.run('select connection_id from credentials where connection_id = ?', [gone])).toEqual([])
    const dump = await raw.dump()
    for (const sealed of [row!.sealed_access_token, row!.sealed_refresh_token])
      expect(dump).not.toContain(String(sealed))
  })
})
