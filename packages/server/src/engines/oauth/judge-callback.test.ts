import { describe, expect, it } from 'vitest'
import { type ExpectedIssuer, judgeCallback } from './judge-callback.ts'

const issuer = 'https://login.example'
const judge = (query: string, expected: ExpectedIssuer = { issuer, issParameter: false }) =>
  judgeCallback(new URLSearchParams(query), expected)

describe('the issuer of an authorization response (RFC 9207 section 2.4, row 6)', () => {
  const table: readonly (readonly [string, boolean, string, boolean])[] = [
    ['advertised and right', true, `&iss=${encodeURIComponent(issuer)}`, true],
    ['advertised and absent', true, '', false],
    ['advertised and wrong', true, '&iss=https%3A%2F%2Fevil.example', false],
    ['advertised with a trailing slash', true, `&iss=${encodeURIComponent(`${issuer}/`)}`, false],
    ['advertised in another case', true, `&iss=${encodeURIComponent('https://LOGIN.example')}`, false],
    ['advertised and empty', true, '&iss=', false],
    ['not advertised and right', false, `&iss=${encodeURIComponent(issuer)}`, true],
    ['not advertised and absent', false, '', true],
    ['not advertised and wrong', false, '&iss=https%3A%2F%2Fevil.example', false],
    ['not advertised with a trailing slash', false, `&iss=${encodeURIComponent(`${issuer}/`)}`, false],
    ['not advertised in another case', false, `&iss=${encodeURIComponent('https://LOGIN.example')}`, false],
  ]
  it.each(table)('%s', (_name, issParameter, iss, isGood) => {
    expect(judge(`code=c-1&state=s-1${iss}`, { issuer, issParameter }).kind).toBe(isGood ? 'code' : 'refused')
    // An error of the wrong server is not shown either.
    expect(judge(`error=access_denied&state=s-1${iss}`, { issuer, issParameter }).kind).toBe(
      isGood ? 'error' : 'refused',
    )
  })

  it('an `iss` that cannot be compared is refused only if the provider is known to send it', () => {
    expect(judge('code=c-1&state=s-1&iss=https://x.example', { issParameter: false }).kind).toBe('code')
    expect(judge('code=c-1&state=s-1&iss=https://x.example', { issParameter: true }).kind).toBe('refused')
  })
})

it('a repeated parameter is refused, whichever it is (RFC 6749 section 3.1)', () => {
  for (const again of ['code=c-2', 'state=s-1', 'x=1&x=1', 'iss=a&iss=a', 'error=a&error=b']) {
    expect(judge(`code=c-1&state=s-1&${again}`)).toMatchObject({ kind: 'refused' })
  }
})

it('a code travels as a secret and an error as a short code, and nothing else is kept', () => {
  const good = judge('code=c-1&state=s-1&session_state=zzz')
  expect(good.kind === 'code' && good.code.reveal()).toBe('c-1')
  expect(JSON.stringify(good)).toBe('{"kind":"code","code":"[secret]","state":"s-1"}')
  expect(judge('error=access_denied&error_description=<script>&state=s-1')).toEqual({
    kind: 'error',
    error: 'access_denied',
    state: 's-1',
  })
  expect(judge('error=%3Cscript%3E&state=s-1')).toMatchObject({ error: 'unrecognised' })
})

it('what is no answer of the code flow is refused', () => {
  for (const query of [
    '',
    'code=c-1',
    'state=s-1',
    'code=&state=s-1',
    'code=c-1&state=',
    'code=%00&state=s-1',
    'code=c-1&error=x&state=s-1',
    'access_token=at&state=s-1',
    'code=c-1&id_token=x&state=s-1',
    'response=jarm&state=s-1',
    `code=${'c'.repeat(5_000)}&state=s-1`,
    `code=c-1&state=${'s'.repeat(600)}`,
    `code=c-1&state=s-1&${[...Array(60).keys()].map(n => `p${n}=1`).join('&')}`,
  ]) {
    const verdict = judge(query)
    expect(verdict.kind, query.slice(0, 60)).toBe('refused')
    expect(JSON.stringify(verdict)).not.toMatch(/c-1|s-1/)
  }
})
