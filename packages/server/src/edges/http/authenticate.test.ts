import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientId } from '../../core/ids.ts'
import { Secret } from '../../core/secret.ts'
import type { AccessTokenClaims } from '../../engines/signer/access-token-claims.ts'
import { createSigner } from '../../engines/signer/signer.ts'
import { generateSigningKey } from '../../engines/signer/signing-key.ts'
import { deleteClient } from '../../flows/agents/delete-client.ts'
import { sealClient } from '../../flows/agents/load-client.ts'
import { createAuthenticate } from './authenticate.ts'
import { openWorld, type World } from './oauth/test-world.ts'

let world: World
let agent: { id: string; secret: string }
let token: string

beforeAll(async () => {
  world = await openWorld()
  agent = await world.client({})
  token = await world.token(agent)
})
afterAll(() => world.close())

const bearer = (jwt: string): [string, string][] => [['authorization', `Bearer ${jwt}`]]
const metadata = () => `resource_metadata="${world.url}/.well-known/oauth-protected-resource"`

/** A token of the tenant's own key with other claims. */
async function signed(change: Partial<AccessTokenClaims>): Promise<string> {
  const signer = await world.parts.signers.of(world.tenant)
  return signer.signAccessToken({ ...(decodeJwt(token) as unknown as AccessTokenClaims), ...change })
}

describe('authenticate', () => {
  test('makes a caller of a token of ours', async () => {
    const { status, body } = await world.whoami(bearer(token))
    expect(status).toBe(200)
    expect(body).toMatchObject({ kind: 'agent', agent: agent.id, tenant: world.tenant, requestId: 'req_test' })
    expect(body.user).toBeUndefined()
    expect((await world.whoami([['authorization', `bEARER   ${token}`]])).status).toBe(200)
  })

  test('without credentials answers a challenge without an error (row 9)', async () => {
    const { status, headers } = await world.whoami()
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toBe(`Bearer ${metadata()}`)
  })

  test('looks for a token in the header only (row 34)', async () => {
    for (const answer of [
      await world.whoami([], `/whoami?access_token=${token}`),
      await world.whoami([], '/whoami', { method: 'POST', body: new URLSearchParams({ access_token: token }) }),
    ]) {
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe(`Bearer ${metadata()}`)
    }
  })

  test('refuses what is not a live token of this issuer for this resource as invalid_token (rows 8, 9, 28, 29)', async () => {
    const claims = decodeJwt(token)
    const stranger = await generateSigningKey()
    const forged = await createSigner({ keys: [stranger] })
    const now = Math.floor(world.parts.now() / 1000)
    const [head, payload, signature] = token.split('.') as [string, string, string]
    const other = head.slice(0, -4) + Buffer.from('xxx').toString('base64url')
    const bad: Record<string, string> = {
      garbage: 'garbage',
      'wrong signature': `${head}.${payload}.${signature.split('').reverse().join('')}`,
      'another header': `${other}.${payload}.${signature}`,
      'a stranger’s key': await forged.signAccessToken(claims as never),
      expired: await signed({ iat: now - 100, exp: now - 1 }),
      'wrong issuer': await signed({ iss: 'https://evil.example' }),
      'wrong audience': await signed({ aud: `${world.url}/mcp` }),
      'another tenant': await signed({ tenant: `ten_${'0'.repeat(26)}` }),
      'an unknown client': await signed({ client_id: `agt_${'0'.repeat(26)}`, sub: `agt_${'0'.repeat(26)}` }),
      'a user without a task': await signed({ sub: `usr_${'0'.repeat(26)}`, act: { sub: agent.id } }),
      'a user of an unknown task': await signed({
        sub: `usr_${'0'.repeat(26)}`,
        act: { sub: agent.id },
        task: `tsk_${'0'.repeat(26)}`,
      }),
      unsigned: new UnsecuredJWT(claims).encode(),
      'signed with a shared secret': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .sign(Buffer.alloc(32, 1)),
    }
    for (const [name, jwt] of Object.entries(bad)) {
      const { status, headers } = await world.whoami(bearer(jwt))
      expect([name, status]).toEqual([name, 401])
      expect(headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", .*resource_metadata=/)
    }
    for (const field of [
      `Basic ${token}`,
      `token ${token}`,
      'Bearer',
      `Bearer ${token} x`,
      `Bearer ${token}, Bearer ${token}`,
    ])
      expect([field, (await world.whoami([['authorization', field]])).status]).toEqual([field, 401])
  })

  test('refuses two Authorization fields, whichever of them is good (row 9)', async () => {
    const authenticate = createAuthenticate(world.parts)
    const ask = (...authorization: string[]) =>
      authenticate({ id: world.tenant }, { authorization, requestId: 'req_test' })
    await expect(ask(`Bearer ${token}`)).resolves.toMatchObject({ agent: agent.id })
    await expect(ask(`Bearer ${token}`, `Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' })
    await expect(ask('Bearer x', `Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  test('takes the scheme of some SDKs where it was asked to', async () => {
    expect((await world.whoami([['authorization', `token ${token}`]], '/proxy/x')).status).toBe(200)
    expect((await world.whoami(bearer(token), '/proxy/x')).status).toBe(200)
  })

  test('keeps the tokens of the API and of the MCP endpoint apart, also those it remembers (row 8)', async () => {
    const mcp = await world.token(agent, { resource: `${world.url}/mcp` })
    for (let round = 0; round < 2; round++) {
      expect((await world.whoami(bearer(mcp), '/mcp')).status).toBe(200)
      expect((await world.whoami(bearer(mcp))).status).toBe(401)
      expect((await world.whoami(bearer(token))).status).toBe(200)
      const refused = await world.whoami(bearer(token), '/mcp')
      expect(refused.headers.get('www-authenticate')).toContain('/.well-known/oauth-protected-resource/mcp"')
    }
  })

  test('refuses the token of a deleted client from that moment on (P4)', async () => {
    const short = await world.client({})
    const live = await world.token(short)
    expect((await world.whoami(bearer(live))).status).toBe(200)
    await deleteClient(world.parts, world.operator, 'agent', short.id)
    expect((await world.whoami(bearer(live))).status).toBe(401)
  })

  test('sees within a second what ended in another process (P4)', async () => {
    const short = await world.client({})
    const live = await world.token(short)
    expect((await world.whoami(bearer(live))).status).toBe(200)
    await world.parts.store.change(world.tenant, async rows => {
      const row = (await rows.clients.get(short.id as ClientId))!
      await rows.clients.update(await sealClient(world.parts, { ...row, disabledAt: world.parts.now() }))
    })
    world.skip(1000)
    expect((await world.whoami(bearer(live))).status).toBe(401)
  })

  test('never believes a token past its end, although it remembers it', async () => {
    const live = await world.token(agent)
    expect((await world.whoami(bearer(live))).status).toBe(200)
    world.skip(599_000)
    expect((await world.whoami(bearer(live))).status).toBe(200)
    world.skip(1_000)
    expect((await world.whoami(bearer(live))).status).toBe(401)
  })

  test('fails closed when the store cannot be read (row 87)', async () => {
    const { store } = world.parts
    const authenticate = createAuthenticate({
      ...world.parts,
      store: { ...store, asTenant: () => Promise.reject(new Error('down')) },
    })
    const ask = authenticate(
      { id: world.tenant },
      { authorization: [`Bearer ${await world.token(agent)}`], requestId: 'r' },
    )
    await expect(ask).rejects.toMatchObject({ code: 'unavailable', status: 503 })
  })

  test('reads the keys again for a kid that another node made, and not for every made-up one (row 69)', async () => {
    const key = await generateSigningKey()
    const sealed = await world.parts.vault.seal(
      { tenant: world.tenant, field: 'signing_key' },
      new Secret(key.privateJwk.reveal()),
    )
    const fresh = await createSigner({ keys: [key] })
    const claims = decodeJwt(await world.token(agent)) as unknown as AccessTokenClaims
    await world.parts.store.change(world.tenant, rows =>
      rows.keys.insertSigningKey({
        kid: key.kid,
        publicJwk: JSON.stringify(key.publicJwk),
        sealedPrivateJwk: sealed,
        createdAt: world.parts.now(),
      }),
    )
    world.skip(1_000)
    expect((await world.whoami(bearer(await fresh.signAccessToken(claims)))).status).toBe(200)
    let reads = 0
    const authenticate = createAuthenticate({
      ...world.parts,
      signers: {
        of: world.parts.signers.of,
        knowing: async (tenant, kid) => {
          const before = await world.parts.signers.of(tenant)
          const after = await world.parts.signers.knowing(tenant, kid)
          if (before !== after) reads++
          return after
        },
      },
    })
    for (let n = 0; n < 100; n++) {
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: `../${n}` })).toString('base64url')
      const jwt = `${header}.${token.split('.').slice(1).join('.')}`
      await expect(
        authenticate({ id: world.tenant }, { authorization: [`Bearer ${jwt}`], requestId: 'r' }),
      ).rejects.toMatchObject({ code: 'unauthorized' })
    }
    expect(reads).toBeLessThanOrEqual(1)
  })
})
