import { generateKeyPairSync } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ProviderEntry } from '../../core/catalogue/provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Secret } from '../../core/secret.ts'
import { sampleEntry, sampleProvider } from '../../core/token/sample-entry.fixture.ts'
import type { Send } from './oauth.ts'
import { createOAuthClient } from './oauth-client.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const now = 1_800_000_000_000
const oauth = createOAuthClient({ clock: () => now })
const client = { clientId: 'client-1', clientSecret: new Secret('CANARY secret:1') }
let server: Server
let base: string
let seen: Seen[] = []
let answer: (request: Seen, response: ServerResponse) => void

/** What an egress does, in its smallest form: one request on a socket, the answer whole, failures told by kind. */
const send: Send = request =>
  new Promise((resolve, reject) => {
    const failed = (sent: boolean) =>
      reject(Object.assign(new Error('CANARY in a message'), { kind: 'unreachable', sent }))
    try {
      request.beforeSend?.()
    } catch (thrown) {
      reject(thrown)
      return
    }
    const outgoing = httpRequest(request.url, { method: request.method, headers: request.headers }, incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', chunk => chunks.push(chunk))
      incoming.on('error', () => failed(true))
      incoming.on('end', () => {
        const headers = Object.fromEntries(
          Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
        )
        resolve({ status: incoming.statusCode!, headers, body: Buffer.concat(chunks) })
      })
    })
    outgoing.on('error', error => failed((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'))
    outgoing.end(request.body)
  })

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      const got = { method: request.method!, url: request.url!, headers: request.headers, body }
      seen.push(got)
      answer(got, response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  seen = []
})

function says(json: unknown, status = 200): void {
  answer = (_request, response) => {
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(typeof json === 'string' ? json : JSON.stringify(json))
  }
}

const tokens = {
  access_token: 'CANARY-at-1',
  token_type: 'Bearer',
  refresh_token: 'CANARY-rt-1',
  expires_in: 3600,
  scope: 'a b',
}

function redeem(entry: ProviderEntry = sampleEntry(), more: Partial<ResolvedProvider> = {}, extra: object = {}) {
  return oauth.redeemCode(send, {
    provider: sampleProvider(base, entry, more),
    client,
    redirectUri: 'https://vault.example/callback/int_1',
    code: new Secret('CANARY-code-1'),
    codeVerifier: new Secret('CANARY-verifier-1'),
    requestedScopes: ['a', 'b'],
    now,
    ...extra,
  })
}

function renew(entry: ProviderEntry = sampleEntry(), more: object = {}) {
  return oauth.refresh(send, {
    provider: sampleProvider(base, entry),
    client,
    refreshToken: new Secret('CANARY-rt-0'),
    grantedScopes: ['a', 'b'],
    now,
    ...more,
  })
}

describe('redeeming a code', () => {
  it('sends the form of RFC 6749 section 4.1.3 with the verifier, and gives tokens that do not print', async () => {
    says({ ...tokens, team: { id: 'T1' }, bot_token: 'CANARY-bot-1' })
    const got = await redeem()
    expect(seen).toHaveLength(1)
    expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toEqual({
      grant_type: 'authorization_code',
      code: 'CANARY-code-1',
      code_verifier: 'CANARY-verifier-1',
      redirect_uri: 'https://vault.example/callback/int_1',
    })
    expect(seen[0]!.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      authorization: `Basic ${Buffer.from('client-1:CANARY+secret%3A1').toString('base64')}`,
    })
    if (got.kind !== 'tokens') throw new Error(got.kind)
    expect(got.tokens.accessToken.reveal()).toBe('CANARY-at-1')
    expect(got.tokens.refreshToken!.reveal()).toBe('CANARY-rt-1')
    expect(got.tokens.otherSecrets.map(secret => secret.reveal())).toEqual(['CANARY-bot-1'])
    expect(got.tokens).toMatchObject({ expiresAt: now + 3_600_000, scopes: ['a', 'b'], facts: { team: { id: 'T1' } } })
    expect(JSON.stringify(got)).not.toContain('CANARY')
  })

  it("sends the vendor's dialect: JSON with Basic, extra parameters, no verifier, a version header", async () => {
    says(tokens)
    const entry = sampleEntry(
      {
        pkce: 'forbidden',
        tokenRequestFormat: 'json',
        tokenParameters: { type: 'web_server', code: 'theirs', client_secret: 'theirs' },
      },
      ['version-header-required'],
      { defaultHeaders: { 'x-version': '2026-01-01', authorization: 'theirs' } },
    )
    expect((await redeem(entry)).kind).toBe('tokens')
    expect(JSON.parse(seen[0]!.body)).toEqual({
      grant_type: 'authorization_code',
      type: 'web_server',
      code: 'CANARY-code-1',
      redirect_uri: 'https://vault.example/callback/int_1',
    })
    expect(seen[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'x-version': '2026-01-01' })
    expect(seen[0]!.headers.authorization).toMatch(/^Basic /)
  })

  it('an unsaid lifetime is the one of the entry, else unknown (row 71)', async () => {
    says({ access_token: 'at', token_type: 'bearer' })
    const plain = await redeem()
    expect(plain.kind === 'tokens' && 'expiresAt' in plain.tokens).toBe(false)
    const known = await redeem(sampleEntry({ accessTokenLifetimeSeconds: 60 }))
    expect(known.kind === 'tokens' && known.tokens.expiresAt).toBe(now + 60_000)
  })

  it('the scopes are what the provider granted, not what was asked (rows 70, 73)', async () => {
    says({ ...tokens, scope: 'a' })
    const got = await redeem()
    expect(got.kind === 'tokens' && got.tokens.scopes).toEqual(['a'])
  })

  it('a redirect is refused and never followed', async () => {
    answer = (_request, response) => void response.writeHead(307, { location: `${base}/elsewhere` }).end()
    expect(await redeem()).toMatchObject({ kind: 'refused' })
    expect(seen).toHaveLength(1)
  })

  it('a client whose key cannot be used sends nothing', async () => {
    says(tokens)
    const entry = sampleEntry({ clientAuthentication: 'private_key_jwt' })
    expect(await redeem(entry)).toEqual({ kind: 'error', error: 'invalid_client', class: 'invalid_client' })
    expect(seen).toHaveLength(0)
  })
})

describe('an ID token beside the tokens (row 66)', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const issuer = 'https://login.example'
  const withOpenId = { requestedScopes: ['openid'], nonce: 'n-1' }
  const idToken = (nonce: string, alg = 'RS256') =>
    new SignJWT({ nonce })
      .setProtectedHeader({ alg })
      .setIssuer(issuer)
      .setSubject('alice')
      .setAudience('client-1')
      .setIssuedAt(now / 1000)
      .setExpirationTime(now / 1000 + 300)
      .sign(alg === 'HS256' ? Buffer.alloc(32, 1) : pair.privateKey)
  const issue = (token: string) => {
    answer = (request, response) => {
      const keys = { keys: [pair.publicKey.export({ format: 'jwk' })] }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(request.url === '/jwks' ? keys : { ...tokens, id_token: token }))
    }
  }
  const known = () => ({ issuer, jwksUri: `${base}/jwks` })

  it('counts once it is verified, and is a needle for the scrub', async () => {
    const token = await idToken('n-1')
    issue(token)
    const got = await redeem(sampleEntry(), known(), withOpenId)
    expect(got).toMatchObject({ kind: 'tokens', tokens: { idTokenClaims: { sub: 'alice' } } })
    expect(got.kind === 'tokens' && got.tokens.otherSecrets.map(secret => secret.reveal())).toEqual([token])
  })

  it('of another flow ends this one', async () => {
    issue(await idToken('n-2'))
    expect(await redeem(sampleEntry(), known(), withOpenId)).toMatchObject({ kind: 'refused' })
  })

  it('that nobody can verify is left out, unless the account or the entry rests on it', async () => {
    issue(await idToken('n-1', 'HS256'))
    const got = await redeem(sampleEntry(), known(), withOpenId)
    expect(got.kind === 'tokens' && 'idTokenClaims' in got.tokens).toBe(false)
    const byToken = sampleEntry({ account: { source: 'id-token', id: ['/sub'], label: [] } })
    expect(await redeem(byToken, known(), withOpenId)).toMatchObject({ kind: 'refused' })
    expect(await redeem(sampleEntry({ discovery: 'oidc' }), known(), withOpenId)).toMatchObject({ kind: 'refused' })
    says(tokens)
    expect(await redeem(byToken, known(), withOpenId)).toMatchObject({ kind: 'refused' })
  })
})

describe('refreshing (RFC 6749 section 6)', () => {
  it('sends the refresh token alone and keeps it when no new one comes', async () => {
    says({ access_token: 'CANARY-at-2', token_type: 'bearer' })
    const got = await renew()
    expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'CANARY-rt-0',
    })
    if (got.kind !== 'tokens') throw new Error(got.kind)
    expect(got.tokens.refreshToken!.reveal()).toBe('CANARY-rt-0')
    expect(got.tokens.scopes).toEqual(['a', 'b'])
  })

  it('takes the new refresh token of a rotating provider', async () => {
    says(tokens)
    const got = await renew()
    expect(got.kind === 'tokens' && got.tokens.refreshToken!.reveal()).toBe('CANARY-rt-1')
  })

  const answers: readonly (readonly [number, unknown, string, string])[] = [
    [400, { error: 'invalid_grant' }, 'invalid_grant', 'invalid_grant'],
    [200, { ok: false, error: 'invalid_refresh_token' }, 'invalid_refresh_token', 'invalid_grant'],
    [200, { ok: false, error: 'token_expired' }, 'token_expired', 'invalid_grant'],
    [200, { ok: false, error: 'token_revoked' }, 'token_revoked', 'invalid_grant'],
    [200, { ok: false, error: 'account_inactive' }, 'account_inactive', 'invalid_grant'],
    [200, { ok: false, error: 'invalid_auth' }, 'invalid_auth', 'invalid_grant'],
    [200, { error: 'bad_refresh_token' }, 'bad_refresh_token', 'invalid_grant'],
    [400, { status: 'BAD_REFRESH_TOKEN', message: 'x' }, 'bad_refresh_token', 'invalid_grant'],
    [401, { error: 'invalid_client' }, 'invalid_client', 'invalid_client'],
    [400, { error: 'unauthorized_client' }, 'unauthorized_client', 'invalid_client'],
    [200, { ok: false, error: 'bad_client_secret' }, 'bad_client_secret', 'invalid_client'],
    [200, { ok: false, error: 'invalid_client_id' }, 'invalid_client_id', 'invalid_client'],
    [500, { error: 'invalid_grant' }, 'invalid_grant', 'transient'],
    [503, '<html>', 'unrecognised', 'transient'],
    [429, { error: 'rate_limited' }, 'rate_limited', 'transient'],
    [400, { error: 'temporarily_unavailable' }, 'temporarily_unavailable', 'transient'],
    [403, '<html>blocked', 'unrecognised', 'other'],
    [400, { error: 'invalid_request' }, 'invalid_request', 'other'],
    [400, { error: 'CANARY <b>' }, 'unrecognised', 'other'],
    [400, { error: 'canary-rt-0' }, 'unrecognised', 'other'],
  ]
  it.each(answers)('status %s with %j is %s, class %s (rows 24, 72)', async (status, body, error, cls) => {
    says(body, status)
    expect(await renew()).toEqual({ kind: 'error', error, class: cls })
    expect(seen).toHaveLength(1)
  })

  it('an answer that breaks off may have spent the token, and no second request is made (P5)', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '500' })
      response.write('{"access_token":', () => response.destroy())
    }
    const got = await renew()
    expect(got).toMatchObject({ kind: 'unreachable', sent: true })
    expect(JSON.stringify(got)).not.toContain('CANARY')
    expect(seen).toHaveLength(1)
  })

  it('a refused connection spent nothing', async () => {
    const provider = sampleProvider('http://127.0.0.1:1')
    expect(await renew(sampleEntry(), { provider })).toMatchObject({ kind: 'unreachable', sent: false })
  })

  it('the last look before the bytes leave can stop them (P5)', async () => {
    says(tokens)
    const beforeSend = () => {
      throw new Error('the lease ran out')
    }
    expect(await renew(sampleEntry(), { beforeSend })).toMatchObject({ kind: 'unreachable', sent: false })
    expect(seen).toHaveLength(0)
  })

  it('an answer too large to take is refused, and so is one that is no token answer', async () => {
    const tooLarge: Send = () => Promise.reject(Object.assign(new Error('x'), { kind: 'too_large', sent: true }))
    const request = { provider: sampleProvider(base), client, refreshToken: new Secret('r'), grantedScopes: [], now }
    expect(await oauth.refresh(tooLarge, request)).toMatchObject({ kind: 'refused' })
    says({ access_token: ['CANARY'], token_type: 'bearer' })
    const got = await renew()
    expect(got.kind).toBe('refused')
    expect(JSON.stringify(got)).not.toContain('CANARY')
  })
})

it('client credentials ask for the scopes in the way of the entry (RFC 6749 section 4.4)', async () => {
  says({ access_token: 'at', token_type: 'bearer', expires_in: 60 })
  const got = await oauth.clientCredentials(send, {
    provider: sampleProvider(base, sampleEntry({ clientAuthentication: 'client_secret_post', scopeSeparator: ',' })),
    client,
    scopes: ['a', 'b'],
    now,
  })
  expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toEqual({
    grant_type: 'client_credentials',
    scope: 'a,b',
    client_id: 'client-1',
    client_secret: 'CANARY secret:1',
  })
  expect(got).toMatchObject({ kind: 'tokens', tokens: { scopes: ['a', 'b'], expiresAt: now + 60_000 } })
})

describe('revoking upstream', () => {
  const token = new Secret('CANARY/at 1')
  const both = ['access_token', 'refresh_token'] as const
  const revoke = (
    method: 'rfc7009' | 'bearer' | 'delete-path',
    kind: 'access_token' | 'refresh_token' = 'refresh_token',
  ) =>
    oauth.revoke(send, {
      provider: sampleProvider(base, sampleEntry({ revocation: { method, tokens: both } })),
      client,
      token,
      kind,
    })

  it('by RFC 7009 sends token, hint and the client', async () => {
    says('', 200)
    expect(await revoke('rfc7009')).toBe('revoked')
    expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toEqual({
      token: 'CANARY/at 1',
      token_type_hint: 'refresh_token',
    })
    expect(seen[0]!.headers.authorization).toMatch(/^Basic /)
  })

  it('by the token itself or by its path, as the entry says', async () => {
    says({ ok: true, revoked: true })
    expect(await revoke('bearer')).toBe('revoked')
    expect(seen[0]!.headers.authorization).toBe('Bearer CANARY/at 1')
    expect(await revoke('delete-path')).toBe('revoked')
    expect(seen[1]).toMatchObject({ method: 'DELETE', url: '/revoke/CANARY%2Fat%201' })
    expect(seen[1]!.headers.authorization).toBeUndefined()
  })

  it('says revoked only when the token is dead', async () => {
    for (const [status, body, expected] of [
      [400, { error: 'invalid_token' }, 'revoked'],
      [200, { ok: false, error: 'token_revoked' }, 'revoked'],
      [200, { ok: true, revoked: false }, 'failed'],
      [200, { ok: false, error: 'ratelimited' }, 'failed'],
      [400, { error: 'unsupported_token_type' }, 'unsupported'],
      [404, '', 'failed'],
      [503, '', 'failed'],
      [302, '', 'failed'],
    ] as const) {
      says(body, status)
      expect(await revoke('rfc7009'), `${status} ${JSON.stringify(body)}`).toBe(expected)
      expect(await revoke('bearer'), `${status} ${JSON.stringify(body)}`).toBe(expected)
    }
  })

  it('is unsupported where the entry has no way, and failed where nobody answers', async () => {
    const ask = (entry: ProviderEntry, at = base) =>
      oauth.revoke(send, { provider: sampleProvider(at, entry), client, token, kind: 'access_token' })
    expect(await ask(sampleEntry())).toBe('unsupported')
    expect(await ask(sampleEntry({ revocation: { method: 'rfc7009', tokens: ['refresh_token'] } }))).toBe('unsupported')
    expect(await ask(sampleEntry({ revocation: { method: 'rfc7009', tokens: both } }), 'http://127.0.0.1:1')).toBe(
      'failed',
    )
  })
})
