import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OAuthFacts } from '../catalogue/provider.ts'
import type { QuirkName } from '../catalogue/quirk.ts'
import { type NormalisedAnswer, normaliseAnswer } from './normalise-answer.ts'
import { sampleEntry } from './sample-entry.fixture.ts'

interface Given {
  readonly body: unknown
  readonly status?: number
  readonly type?: string
  readonly oauth?: Partial<OAuthFacts>
  readonly quirks?: readonly QuirkName[]
  readonly grantType?: string
}

function judge(given: Given): NormalisedAnswer {
  const { body: said } = given
  const body = typeof said === 'string' || said instanceof Buffer ? said : JSON.stringify(said)
  return normaliseAnswer({
    status: given.status ?? 200,
    headers: { 'content-type': given.type ?? 'application/json' },
    body: Buffer.from(body as string),
    entry: sampleEntry(given.oauth, given.quirks),
    ...(given.grantType !== undefined && { grantType: given.grantType }),
  })
}

const good = { access_token: 'at-1', token_type: 'Bearer' }
const places = {
  accessToken: ['/authed_user/access_token', '/access_token'],
  refreshToken: ['/authed_user/refresh_token', '/refresh_token'],
  scope: ['/authed_user/scope', '/scope'],
} as unknown as NonNullable<OAuthFacts['tokenAnswer']>

describe('a token answer in the dialects of the quirk list becomes one form (rows 70, 73)', () => {
  const dialects: readonly (readonly [string, Given, Record<string, unknown>])[] = [
    ['the standard answer', { body: good }, { access_token: 'at-1', token_type: 'bearer' }],
    ['status 201', { body: good, status: 201, quirks: ['status-201'] }, { access_token: 'at-1' }],
    ['null members', { body: { ...good, refresh_token: null, expires_in: null, scope: null } }, {}],
    ['a lifetime as text', { body: { ...good, expires_in: '3600' } }, { expires_in: 3600 }],
    ['a lifetime with a fraction', { body: { ...good, expires_in: 59.9 } }, { expires_in: 59 }],
    [
      'scopes with commas',
      { body: { ...good, scope: 'channels:read, users:read' }, quirks: ['scope-comma'] },
      { scope: 'channels:read users:read' },
    ],
    ['scopes as an array', { body: { ...good, scope: ['a', 'b c'] } }, { scope: 'a b c' }],
    ['commas in a name where they do not separate', { body: { ...good, scope: 'a,b c' } }, { scope: 'a,b c' }],
    [
      'a form',
      { body: 'access_token=at-1&token_type=bearer&scope=repo', type: 'application/x-www-form-urlencoded' },
      { access_token: 'at-1', scope: 'repo' },
    ],
    [
      'a form under a text type',
      { body: 'access_token=at-1&token_type=bearer', type: 'text/plain', quirks: ['form-encoded-answer'] },
      { access_token: 'at-1' },
    ],
    [
      'a type of the vendor that means bearer',
      { body: { ...good, token_type: 'bot' }, oauth: { tokenTypes: ['bot'] } },
      { token_type: 'bearer' },
    ],
    [
      'no type where the entry knows that',
      { body: { access_token: 'at-1' }, quirks: ['token-type-nonstandard'] },
      { token_type: 'bearer' },
    ],
    [
      'a nested token',
      {
        body: { ok: true, authed_user: { access_token: 'xoxp-1', scope: 'search:read', token_type: 'user' } },
        oauth: {
          tokenAnswer: { accessToken: '/authed_user/access_token', scope: '/authed_user/scope' },
          tokenTypes: ['user'],
        },
      },
      { access_token: 'xoxp-1', scope: 'search:read' },
    ],
    [
      'the fallback of a list of places',
      { body: { ...good, refresh_token: 'rt-1' }, oauth: { tokenAnswer: places } },
      { access_token: 'at-1', refresh_token: 'rt-1' },
    ],
    [
      'another place after a refresh',
      {
        body: { ...good, refresh_token: 'rt-2' },
        grantType: 'refresh_token',
        oauth: { tokenAnswer: { accessToken: '/authed_user/access_token' }, refreshAnswer: {} },
      },
      { access_token: 'at-1', refresh_token: 'rt-2' },
    ],
  ]
  it.each(dialects)('%s', (_name, given, expected) => {
    expect(judge(given)).toMatchObject({ kind: 'answer', status: 200, json: expected })
  })

  it('null, empty and absent members are all absent', () => {
    const answer = judge({ body: { ...good, refresh_token: '', expires_in: null } })
    expect(answer.kind === 'answer' && Object.keys(answer.json)).toEqual(['access_token', 'token_type'])
  })

  it('a lifetime that is zero, negative, endless, absurd or no number is unknown, never eternal (row 71)', () => {
    for (const expires_in of [
      0,
      -1,
      '0',
      '-5',
      'soon',
      '',
      315_360_001,
      1e300,
      '9'.repeat(12),
      '1e9',
      'NaN',
      'Infinity',
    ]) {
      const answer = judge({ body: { ...good, expires_in } })
      expect(answer).toMatchObject({ kind: 'answer', json: { access_token: 'at-1' } })
      expect(answer.kind === 'answer' && 'expires_in' in answer.json).toBe(false)
    }
  })

  it("a refresh token is never paired with another place's access token", () => {
    const body = {
      ...good,
      refresh_token: 'of-the-workspace',
      authed_user: { access_token: 'xoxp-1', token_type: 'Bearer' },
    }
    const answer = judge({ body, oauth: { tokenAnswer: places } })
    expect(answer).toMatchObject({ json: { access_token: 'xoxp-1' } })
    expect(answer.kind === 'answer' && answer.json.refresh_token).toBeUndefined()
    expect(answer).toMatchObject({ json: { other_access_token: 'at-1', other_refresh_token: 'of-the-workspace' } })
  })

  it('members called __proto__ and constructor change nothing', () => {
    const answer = judge({
      body: '{"access_token":"at-1","token_type":"bearer","__proto__":{"scope":"admin"},"constructor":{"prototype":{"x":1}}}',
    })
    expect(answer.kind === 'answer' && answer.json.scope).toBeUndefined()
    expect(answer.kind === 'answer' && Object.keys(answer.json)).toEqual(['constructor', 'access_token', 'token_type'])
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })
})

describe('an answer that says no is an error, whatever its status (RFC 6749 section 5.2)', () => {
  const errors: readonly (readonly [string, Given, number, string])[] = [
    [
      '400 with an error',
      { body: { error: 'invalid_grant', error_description: 'x' }, status: 400 },
      400,
      'invalid_grant',
    ],
    ['200 with ok: false', { body: { ok: false, error: 'invalid_code' } }, 400, 'invalid_code'],
    [
      '200 with an error beside a token',
      { body: { ...good, error: 'bad_verification_code' } },
      400,
      'bad_verification_code',
    ],
    ['200 with ok: false and a token', { body: { ...good, ok: false } }, 400, 'unrecognised'],
    ['200 with an error object', { body: { error: { code: 'X_FAILED', message: 'y' } } }, 400, 'x_failed'],
    ['a form with an error', { body: 'error=bad_code', type: 'application/x-www-form-urlencoded' }, 400, 'bad_code'],
    ['a status word', { body: { status: 'BAD_REFRESH_TOKEN', message: 'y' }, status: 400 }, 400, 'bad_refresh_token'],
    ['an error that is no code', { body: { error: 'Token <b>at-1</b> is bad' }, status: 400 }, 400, 'unrecognised'],
    ['a page', { body: '<html>', type: 'text/html', status: 503 }, 503, 'unrecognised'],
    ['nothing', { body: '', status: 502 }, 502, 'unrecognised'],
  ]
  it.each(errors)('%s', (_name, given, status, error) => {
    expect(judge(given)).toEqual({ kind: 'answer', status, json: { error } })
  })
})

describe('a hostile or malformed answer is refused (row 70)', () => {
  const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
  const hostile: readonly (readonly [string, Given, RegExp])[] = [
    ['too large', { body: `{"access_token":"${'a'.repeat(70_000)}"}` }, /larger/],
    ['too long a token', { body: { ...good, access_token: 'a'.repeat(33_000) } }, /longer/],
    ['too deep', { body: nested(9) }, /deeper/],
    ['deep enough to exhaust a stack', { body: '['.repeat(65_000) }, /not JSON/],
    [
      'too many members',
      { body: Object.fromEntries([...Array(201).keys()].map(key => [`m${key}`, 1])) },
      /more members/,
    ],
    ['an array', { body: [good] }, /not a JSON object/],
    ['a text', { body: '"at-1"' }, /not a JSON object/],
    ['HTML', { body: '<html>at-1</html>', type: 'text/html' }, /not JSON/],
    ['a redirect', { body: good, status: 302 }, /redirect/],
    ['status 204', { body: '', status: 204 }, /neither 200/],
    ['no access token', { body: { token_type: 'bearer' } }, /no access token/],
    ['an empty access token', { body: { ...good, access_token: '' } }, /no access token/],
    ['an access token that is a number', { body: { ...good, access_token: 7 } }, /visible ASCII/],
    ['an access token that is an object', { body: { ...good, access_token: { toString: 'x' } } }, /visible ASCII/],
    ['an access token with a line break', { body: { ...good, access_token: 'a\r\nx-evil: 1' } }, /visible ASCII/],
    ['a refresh token that is a list', { body: { ...good, refresh_token: ['a'] } }, /refresh token/],
    ['a lifetime that is an object', { body: { ...good, expires_in: {} } }, /lifetime/],
    ['a scope with a quote', { body: { ...good, scope: 'a"b' } }, /scopes/],
    ['a scope that is a number', { body: { ...good, scope: 3 } }, /scopes/],
    ['no token type', { body: { access_token: 'at-1' } }, /no token_type/],
    ['a token bound by DPoP', { body: { ...good, token_type: 'DPoP' }, oauth: { tokenTypes: ['dpop'] } }, /proof/],
    ['a MAC token', { body: { ...good, token_type: 'mac' } }, /proof/],
    ['an unknown token type', { body: { ...good, token_type: 'at-1' } }, /not bearer/],
    ['a token type that is no text', { body: { ...good, token_type: true } }, /not a text/],
    ['an ID token that is none', { body: { ...good, id_token: 'x y' } }, /ID token/],
    [
      'a form with a parameter twice',
      { body: 'access_token=a&access_token=b', type: 'application/x-www-form-urlencoded' },
      /twice/,
    ],
    ['bytes that are not UTF-8', { body: Buffer.from('{"a":"\xe9"}', 'latin1') }, /not UTF-8/],
  ]
  it.each(hostile)('%s', (_name, given, why) => {
    const answer = judge(given)
    expect(answer.kind).toBe('refused')
    expect(answer.kind === 'refused' && answer.why).toMatch(why)
    expect(JSON.stringify(answer)).not.toContain('at-1')
  })

  it('10,000 random answers neither crash the judge nor carry a value of theirs into its words (rows 24, 70)', () => {
    const canary = 'CANARY'
    const leaf = fc.oneof(
      fc.string().map(text => canary + text),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('Bearer', 'mac', '3600', -1, 0),
    )
    const name = fc.oneof(
      fc.constantFrom('access_token', 'refresh_token', 'expires_in', 'scope', 'token_type', 'error', 'ok', 'id_token'),
      fc.constantFrom('__proto__', 'constructor', 'toString', 'authed_user', 'status', 'code'),
      fc.string({ maxLength: 6 }).map(text => canary + text),
    )
    const { node } = fc.letrec(tie => ({
      node: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('list'), tie('object')),
      list: fc.array(tie('node'), { maxLength: 4 }),
      object: fc.array(fc.tuple(name, tie('node')), { maxLength: 6 }).map(pairs => Object.fromEntries(pairs)),
    }))
    const body = fc.oneof(
      { weight: 3, arbitrary: node.map(value => Buffer.from(JSON.stringify(value))) },
      { weight: 3, arbitrary: node.map(value => Buffer.from(JSON.stringify({ ...good, more: value }))) },
      {
        weight: 3,
        arbitrary: fc
          .record({ scope: node, expires_in: node, refresh_token: node })
          .map(more => Buffer.from(JSON.stringify({ ...good, ...more }))),
      },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)) },
      { weight: 1, arbitrary: fc.string().map(text => Buffer.from(`access_token=${canary}${text}`)) },
    )
    const type = fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain', '')
    const entry = sampleEntry({ tokenAnswer: places, tokenTypes: ['', 'bot'] }, ['form-encoded-answer', 'scope-comma'])
    let accepted = 0
    fc.assert(
      fc.property(body, type, fc.constantFrom(200, 200, 201, 302, 400, 401, 429, 500), (bytes, contentType, status) => {
        const answer = normaliseAnswer({ status, headers: { 'content-type': contentType }, body: bytes, entry })
        if (answer.kind === 'refused') expect(answer.why).not.toMatch(/canary/i)
        else if (answer.status === 200) {
          accepted++
          expect(answer.json.access_token).toMatch(/^[\x21-\x7e]+$/)
          expect(answer.json.token_type).toBe('bearer')
          const { expires_in } = answer.json
          expect(expires_in === undefined || (Number.isSafeInteger(expires_in) && (expires_in as number) > 0)).toBe(
            true,
          )
        } else {
          expect(Object.keys(answer.json)).toEqual(['error'])
          expect(answer.json.error).toMatch(/^[a-z0-9_.-]{1,64}$/)
        }
      }),
      { numRuns: 10_000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })
})
