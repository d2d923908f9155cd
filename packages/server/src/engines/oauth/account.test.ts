import { describe, expect, it } from 'vitest'
import type { AccountFacts, ProviderEntry } from '../../core/catalogue/provider.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import { Secret } from '../../core/secret.ts'
import { sampleEntry, sampleProvider } from '../../core/token/sample-entry.fixture.ts'
import type { TokenSet } from '../../core/token/token-set.ts'
import { account } from './account.ts'
import type { Send } from './oauth.ts'

type Request = Parameters<Send>[0]
const url = 'https://api.sample.example/me'
const tokens: TokenSet = {
  accessToken: new Secret('CANARY/at'),
  scopes: [],
  facts: { team: { id: 'T1' }, authed_user: { id: 'U1' } },
  otherSecrets: [],
}
const byEndpoint: AccountFacts = { source: 'endpoint', url, id: ['/id'], label: ['/email', '/name'] }

function ask(
  body: unknown,
  more: {
    rule?: AccountFacts
    api?: Partial<ProviderEntry['api']>
    resolved?: Partial<ResolvedProvider>
    tokens?: Partial<TokenSet>
    status?: number
  } = {},
) {
  const sent: Request[] = []
  const send: Send = async request => {
    sent.push(request)
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return { status: more.status ?? 200, headers: {}, body: Buffer.from(text) }
  }
  const provider = sampleProvider(
    'https://sample.example',
    sampleEntry({ account: more.rule ?? byEndpoint }, [], more.api),
    {
      accountUrl: url,
      ...more.resolved,
    },
  )
  return { sent, result: account(send, { provider, tokens: { ...tokens, ...more.tokens } }) }
}

describe('whose account this is', () => {
  it('is asked at the resolved URL and nowhere else, with the token in the header of the entry (P7)', async () => {
    const { sent, result } = ask(
      { id: 'u-1', email: 'alice@example.com', name: 'Alice' },
      { api: { defaultHeaders: { 'x-version': '1' } } },
    )
    expect(await result).toEqual({ id: 'u-1', label: 'alice@example.com · Alice' })
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({
      method: 'GET',
      url,
      headers: { authorization: 'Bearer CANARY/at', 'x-version': '1' },
    })
    const other = ask({ id: 1 }, { api: { credentialHeader: { name: 'X-Token', scheme: '' } } })
    await other.result
    expect(other.sent[0]!.headers).toMatchObject({ 'x-token': 'CANARY/at' })
    expect(other.sent[0]!.headers.authorization).toBeUndefined()
  })

  it('may name the token in the path, and then no header does', async () => {
    for (const accountUrl of [
      'https://api.sample.example/tokens/{access_token}',
      'https://api.sample.example/tokens/%7Baccess_token%7D',
    ]) {
      const { sent, result } = ask({ id: 5 }, { resolved: { accountUrl } })
      expect(await result).toEqual({ id: '5', label: '5' })
      expect(sent[0]!.url).toBe('https://api.sample.example/tokens/CANARY%2Fat')
      expect(sent[0]!.headers.authorization).toBeUndefined()
    }
  })

  it('is made of every pointer, joined so that no two accounts share an id', async () => {
    const rule: AccountFacts = { ...byEndpoint, id: ['/a', '/b'] }
    const first = await ask({ a: 'x:y', b: 'z' }, { rule }).result
    const second = await ask({ a: 'x', b: 'y:z' }, { rule }).result
    expect(first!.id).not.toBe(second!.id)
  })

  it('comes from the token answer or the verified ID token without a request', async () => {
    const inAnswer = ask('', { rule: { source: 'token-answer', id: ['/team/id', '/authed_user/id'], label: [] } })
    expect(await inAnswer.result).toEqual({ id: 'T1:U1', label: 'T1:U1' })
    const inToken = ask('', {
      rule: { source: 'id-token', id: ['/sub'], label: ['/email'] },
      tokens: { idTokenClaims: { sub: 's' } },
    })
    expect(await inToken.result).toEqual({ id: 's', label: 's' })
    const without = ask('', { rule: { source: 'id-token', id: ['/sub'], label: [] } })
    await expect(without.result).rejects.toMatchObject({ code: 'provider_answer_refused' })
    expect([...inAnswer.sent, ...inToken.sent, ...without.sent]).toEqual([])
  })

  it('is one line for people: nothing invisible, nothing that turns the writing', async () => {
    const { result } = ask({ id: 'u', name: 'Al\u202eice\r\n\u200b<b>', email: '  ' })
    expect((await result)!.label).toBe('Al ice <b>')
  })
})

describe('an answer that cannot be believed is no account', () => {
  const refused = { code: 'provider_answer_refused' }
  it('because it lacks the id, is no JSON object, is out of bounds or says no', async () => {
    for (const body of [
      {},
      { id: null },
      { id: '' },
      { id: {} },
      { id: 1.5 },
      { id: 'a\nb' },
      { id: 'x'.repeat(300) },
      [],
      '<html>',
    ]) {
      await expect(ask(body).result, JSON.stringify(body)).rejects.toMatchObject(refused)
    }
    await expect(ask({ ok: false, id: 'u' }).result).rejects.toMatchObject(refused)
    await expect(ask({ id: 'u' }, { status: 302 }).result).rejects.toMatchObject(refused)
    await expect(ask({ id: 'u', more: 'x'.repeat(300_000) }).result).rejects.toMatchObject(refused)
    await expect(ask('{"__proto__":{"id":"u"}}').result).rejects.toMatchObject(refused)
  })

  it('because it repeats a credential (P1)', async () => {
    await expect(ask({ id: 'u', name: 'is CANARY/at' }).result).rejects.toMatchObject(refused)
  })

  it('because userinfo speaks of another subject than the ID token (OpenID Connect Core section 5.3.4, row 66)', async () => {
    const more = { resolved: { userinfoEndpoint: url }, tokens: { idTokenClaims: { sub: 'alice' } } }
    await expect(ask({ id: 'u', sub: 'mallory' }, more).result).rejects.toMatchObject(refused)
    expect(await ask({ id: 'u', sub: 'alice' }, more).result).toEqual({ id: 'u', label: 'u' })
  })

  it('a dead token, an outage and a lost answer are told apart, in words without a secret', async () => {
    await expect(ask({}, { status: 401 }).result).rejects.toMatchObject({ code: 'needs_reauth' })
    const api = { unauthorizedAnswers: [{ status: 200, pointer: '/error', values: ['invalid_auth'] }] }
    await expect(ask({ ok: false, error: 'invalid_auth' }, { api }).result).rejects.toMatchObject({
      code: 'needs_reauth',
    })
    await expect(ask({}, { status: 503 }).result).rejects.toMatchObject({ code: 'provider_unavailable' })
    const provider = sampleProvider('https://sample.example', sampleEntry({ account: byEndpoint }), { accountUrl: url })
    const lost = account(() => Promise.reject(new Error('CANARY')), { provider, tokens })
    await expect(lost).rejects.toMatchObject({ code: 'provider_unavailable' })
    await expect(lost).rejects.not.toThrow(/CANARY/)
  })

  it('an entry without a rule gives no account', async () => {
    const provider = sampleProvider('https://sample.example')
    expect(await account(() => Promise.reject(new Error('never')), { provider, tokens })).toBeUndefined()
  })
})
